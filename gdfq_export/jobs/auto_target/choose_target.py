"""`--target auto`: which runtime, with which file, runs this network fastest on this machine.

For every target whose runtime is installed a draft is written (`draft.py`): the recipe's bits, ranges from noise, no
tuning. Its numbers are bad, its graph is that of the file to come, so its speed is. All drafts and the float network,
in each runtime, then take turns (`verify/latency.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from calib.samplers import NoiseSampler
from gdfq_export.errors import BackendUnavailable, InputError
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs.draft_model import write_draft
from gdfq_export.jobs.network_file import NetworkFile
from gdfq_export.jobs.run_context import RunContext
from gdfq_export.metrics.coverage import measure_coverage
from gdfq_export.metrics.latency import RatioInterval, Samples, interleave, summarize, versus
from gdfq_export.recipe import Recipe
from gdfq_export.report.json_form import from_json, to_json_data
from gdfq_export.report.target_choice import Candidate, TargetChoice
from gdfq_export.runtimes import BACKENDS
from gdfq_export.runtimes.base import Backend
from gdfq_export.runtimes.session import Session
from gdfq_export.targets import TARGETS, Target

_IMAGES = 8
_SECONDS = 6.0
_AS_FAST = 0.97  # of the speed of the fastest


@dataclass(frozen=True, slots=True, kw_only=True)
class _Timed:
    session: Session
    integer_compute: int
    float_compute: int


def choose_target(model: FloatModel, recipe: Recipe, run: RunContext, *, threads: int = 1) -> TargetChoice:
    """Measure what this machine can run, and choose; `threads` are the runtime's.

    The fastest draft is chosen or, of those that may be within 3 % of it, the first in the order of `TARGETS`. A draft
    that does not compute what is simulated is never chosen.

    Raises:
        InputError: no target's file runs here.
    """
    batch, progress = run.batch, run.progress
    checkpoint = progress.checkpoints.of("target")
    if (kept := checkpoint.kept()) is not None:
        return from_json(TargetChoice, {**kept, "reasons": {}}, "the checkpoint")
    images = NoiseSampler(model.input_spec, model.task.aim.conditions, run.seed).draw(max(_IMAGES, batch), 8)[0]
    floats: dict[str, Session] = {}
    drafts: dict[str, _Timed] = {}
    reasons: dict[str, str] = {}
    with progress.phase("write drafts") as phase:
        for done, target in enumerate(TARGETS.values()):
            backend = BACKENDS[target.backend]
            try:
                backend.require()
                if backend.name not in floats:
                    floats[backend.name] = backend.load(NetworkFile.of_float(model).data, threads)
                drafts[target.name] = _draft(model, recipe, target, backend, images, threads)
            except (BackendUnavailable, InputError, _Wrong) as error:
                reasons[target.name] = str(error)
            phase(done + 1, len(TARGETS), {})
    if not drafts:
        raise InputError(f"--target auto: no target's file runs on this machine ({'; '.join(reasons.values())})")
    with progress.phase("time drafts"):
        samples = _time(floats, drafts, images[:batch].numpy())
    choice = _choose(floats, drafts, reasons, samples, batch, threads)
    checkpoint.keep(to_json_data(choice, "", {}))
    return choice


class _Wrong(Exception):
    """A draft whose answers are not those that were simulated."""


def _draft(
    model: FloatModel, recipe: Recipe, target: Target, backend: Backend, images: torch.Tensor, threads: int
) -> _Timed:
    draft = write_draft(model, target.name, recipe.bits, images[:_IMAGES])
    session = backend.load(NetworkFile.of(draft.file, f"the draft for {target.name}").data, threads)
    if target.exact and target.stand_in is None and not draft.plan.native:
        few = images[:2].numpy()
        _require_same(backend.name, session.run(few), draft.exact.run(few)[session.output_names[0]])
    coverage = measure_coverage(session.describe())
    return _Timed(session=session, integer_compute=coverage.integer_compute, float_compute=len(coverage.float_compute))


def _require_same(runtime: str, found: np.ndarray, simulated: np.ndarray) -> None:
    if not np.array_equal(found, simulated):
        difference = float(np.abs(found - simulated).max())
        raise _Wrong(f"{runtime} on this CPU does not compute what is simulated (outputs differ by {difference:.2g})")


def _time(floats: dict[str, Session], drafts: dict[str, _Timed], images: np.ndarray) -> dict[str, Samples]:
    timers = {f"float in {name}": session.timer(images) for name, session in floats.items()}
    timers |= {name: draft.session.timer(images) for name, draft in drafts.items()}
    return interleave(timers, budget_seconds=_SECONDS)


def _choose(
    floats: dict[str, Session],
    drafts: dict[str, _Timed],
    reasons: dict[str, str],
    samples: dict[str, Samples],
    batch: int,
    threads: int,
) -> TargetChoice:
    median = {name: float(np.median(taken)) for name, taken in samples.items()}
    float_runtime = min(floats, key=lambda name: median[f"float in {name}"])
    reference = samples[f"float in {float_runtime}"]
    fastest = min(drafts, key=lambda name: median[name])
    chosen = next(
        name for name in drafts if name == fastest or versus(samples[fastest], samples[name]).high >= _AS_FAST
    )
    speedup = versus(reference, samples[chosen])
    reason = f"{speedup.value:.2f} times the speed of float in {float_runtime}"
    if speedup.high < 1:
        reason += "; float is faster here, whatever the file"
    candidates = []
    for target in TARGETS.values():
        draft = drafts.get(target.name)
        against = None if draft is None else versus(samples[fastest], samples[target.name])
        candidates.append(
            Candidate(
                target=target.name,
                runtime=target.backend,
                timings=None if draft is None else summarize(samples[target.name]),
                speedup=None if draft is None else versus(reference, samples[target.name]),
                integer_compute=0 if draft is None else draft.integer_compute,
                float_compute=0 if draft is None else draft.float_compute,
                reason=_why(target.name, chosen, fastest, against, reasons),
            )
        )
    return TargetChoice(
        chosen=chosen,
        reason=reason,
        batch=batch,
        threads=threads,
        float_runtime=float_runtime,
        float_timings=summarize(reference),
        candidates=tuple(candidates),
    )


def _why(name: str, chosen: str, fastest: str, against: RatioInterval | None, reasons: dict[str, str]) -> str:
    """Why a target was chosen or not; `against` is the speed over the fastest."""
    if against is None:
        return reasons[name]
    if name == chosen:
        return "chosen" if name == fastest else f"chosen: as fast as {fastest}"
    if against.high >= _AS_FAST:
        return f"as fast as {chosen}, which is preferred"
    return f"{against.value:.2f} times the speed of {fastest}"
