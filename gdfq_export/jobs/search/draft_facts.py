"""What a draft of each structure tells before anything is tuned: speed and size of the file, and its error.

A structure is what decides the graph: bits and target. Its draft (`jobs/draft_model.py`) has the graph of the file to
come, so it has its speed and its size; its error, with ranges from noise and without tuning, is only a sign.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calib.samplers import NoiseSampler
from gdfq_export.errors import BackendUnavailable, InputError
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs.draft_model import write_draft
from gdfq_export.jobs.network_file import NetworkFile
from gdfq_export.jobs.run_context import RunContext
from gdfq_export.jobs.search.cells import SearchCell, structures
from gdfq_export.metrics.latency import RatioInterval, interleave, median_interval, versus
from gdfq_export.runtimes import BACKENDS
from gdfq_export.runtimes.session import Session
from gdfq_export.targets import find_target

_IMAGES, _SCORED = 8, 32  # noise: for the ranges, and for the error
_SECONDS, _ROUNDS = 3.0, 11
_MOST_SNR_DB = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftFacts:
    """One structure.

    Attributes:
        target: the runtime.
        reason: why there is no draft; the figures are then 0.
        rounds_ms: median latency in each of the interleaved rounds, ms per batch.
        float_ms: of the float network in the same runtime, in the same rounds.
        bytes: of the file.
        size_ratio: file by float network.
        snr_db: signal-to-noise ratio of the worst output on noise, dB.
    """

    target: str
    reason: str | None = None
    rounds_ms: tuple[float, ...] = ()
    float_ms: tuple[float, ...] = ()
    bytes: int = 0
    size_ratio: float = 0.0
    snr_db: float = 0.0

    @property
    def latency_ms(self) -> tuple[float, float, float]:
        """Median latency with its 95 % interval: value, low, high."""
        ordered = sorted(self.rounds_ms)
        low, high = median_interval(len(ordered))
        return float(np.median(ordered)), ordered[low], ordered[high]

    @property
    def latency_ratio(self) -> tuple[float, float, float]:
        """Latency by that of the float network: value, low, high."""
        speedup = _ratio(self.float_ms, self.rounds_ms)
        return 1 / speedup.value, 1 / speedup.high, 1 / speedup.low

    def speed_over(self, other: DraftFacts) -> RatioInterval:
        """How many times as fast as another structure's draft, by rounds."""
        return _ratio(other.rounds_ms, self.rounds_ms)


def _ratio(reference: Sequence[float], other: Sequence[float]) -> RatioInterval:
    return versus(np.asarray(reference)[:, None], np.asarray(other)[:, None])


def measure_drafts(model: FloatModel, cells: Sequence[SearchCell], run: RunContext) -> dict[str, DraftFacts]:
    """Write a draft of every structure of the cells, and time all of them, interleaved, by `SearchCell.structure`.

    Args:
        model: the float network.
        cells: the grid.
        run: seed of the noise, batch of the timing, progress.
    """
    sampler = NoiseSampler(model.input_spec, model.task.aim.conditions, run.seed)
    images = sampler.draw(max(_SCORED, run.batch), 8)[0]
    sessions: dict[str, Session] = {}
    facts: dict[str, DraftFacts] = {}
    float_bytes = len(NetworkFile.of_float(model).data)
    kinds = structures(cells)
    with run.progress.phase("write drafts") as phase:
        for done, (name, cell) in enumerate(kinds.items()):
            backend = BACKENDS[find_target(cell.target).backend]
            try:
                if backend.name not in sessions:
                    sessions[backend.name] = backend.load(NetworkFile.of_float(model).data, 1)
                draft = write_draft(model, cell.target, cell.recipe.bits, images[:_IMAGES])
                file = NetworkFile.of(draft.file, f"the draft for {cell.name}")
                session = backend.load(file.data, 1)
                few = images[:_SCORED].numpy()
                facts[name] = DraftFacts(
                    target=cell.target,
                    bytes=len(file.data),
                    size_ratio=len(file.data) / float_bytes,
                    snr_db=_snr_db(sessions[backend.name].run_all(few), session.run_all(few)),
                )
                sessions[name] = session
            except (BackendUnavailable, InputError) as error:
                facts[name] = DraftFacts(target=cell.target, reason=str(error))
            phase(done + 1, len(kinds), {})
    with run.progress.phase("time drafts"):
        rounds = _time(sessions, images[: run.batch].numpy())
    return {name: _timed(each, name, rounds) for name, each in facts.items()}


def _timed(facts: DraftFacts, name: str, rounds: Mapping[str, tuple[float, ...]]) -> DraftFacts:
    if facts.reason is not None:
        return facts
    return DraftFacts(
        target=facts.target,
        rounds_ms=rounds[name],
        float_ms=rounds[BACKENDS[find_target(facts.target).backend].name],
        bytes=facts.bytes,
        size_ratio=facts.size_ratio,
        snr_db=facts.snr_db,
    )


def _time(sessions: Mapping[str, Session], images: NDArray[np.float32]) -> dict[str, tuple[float, ...]]:
    """Median milliseconds of each round, interleaved."""
    timers = {name: session.timer(images) for name, session in sessions.items()}
    samples = interleave(timers, budget_seconds=_SECONDS, min_rounds=_ROUNDS) if timers else {}
    return {name: tuple(float(value) for value in np.median(taken, axis=1)) for name, taken in samples.items()}


def _snr_db(floats: Sequence[NDArray[np.float32]], outputs: Sequence[NDArray[np.float32]]) -> float:
    """Of the output with the largest error, 10 log10 of signal by noise."""
    worst = _MOST_SNR_DB
    for signal, output in zip(floats, outputs, strict=True):
        noise = float(np.square(signal.astype(np.float64) - output).sum())
        power = float(np.square(signal, dtype=np.float64).sum())
        if noise > 0:
            worst = min(worst, 10 * float(np.log10(max(power, 1e-30) / noise)))
    return worst
