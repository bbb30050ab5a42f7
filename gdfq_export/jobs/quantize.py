"""The whole job on one page: float network in, verified low-bit ONNX out."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import onnx
from torch import Tensor

from calib.samplers import RealSet
from calib.set_statistics import measure_set
from calib.synthetic_set import SyntheticSet
from gdfq_export import __version__
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs.assemble_report import report_run
from gdfq_export.jobs.image_source import ImageSource
from gdfq_export.jobs.provenance import file_metadata
from gdfq_export.jobs.time_budget import TimeBudget
from gdfq_export.jobs.tune_network import tune_network
from gdfq_export.jobs.verify.measure_onnx import run_verification
from gdfq_export.lint.check import check
from gdfq_export.planning.placement import forewarnings, plan_of
from gdfq_export.planning.plan import QuantPlan
from gdfq_export.qdq.writer import write_onnx
from gdfq_export.recipe import Recipe, recipe_sha256
from gdfq_export.report.gates import decide
from gdfq_export.report.report import Report
from gdfq_export.report.target_choice import TargetChoice
from gdfq_export.runtimes import BACKENDS
from gdfq_export.runtimes.choose import choose_backend
from gdfq_export.simulator import IntegerSimulator
from gdfq_export.support.curves import Curves
from gdfq_export.support.files import atomic_output, require_writable
from gdfq_export.support.progress import Progress
from gdfq_export.targets import find_target
from gdfq_export.tasks.classification.accuracy import LabelledImages

__all__ = ["QuantizeResult", "forewarnings_of", "plan_only", "quantize", "synthesize"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeResult:
    """What `quantize` leaves behind besides its files; `images` are those it tuned on, where they were kept."""

    report: Report
    plan: QuantPlan
    images: SyntheticSet | None


def quantize(
    model: FloatModel,
    recipe: Recipe,
    *,
    out: Path,
    report: Path | None,
    data: RealSet | None,
    calibration: SyntheticSet | RealSet | None,
    seed: int,
    device: str,
    progress: Progress,
    budget: float | None = None,
    batch: int = 1,
    choice: TargetChoice | None = None,
    gates: Mapping[str, float | bool] | None = None,
    keep_images: bool = False,
) -> QuantizeResult:
    """Quantize `model`, write it to `out`, and measure what was written.

    Args:
        model: the float network.
        recipe: everything that decides what comes out, apart from the network and the seed.
        out: the ONNX file to write.
        report: the JSON report to write.
        data: labelled images to score with; nothing is tuned on them.
        calibration: images to use instead of synthesizing; real ones are drawn in an order of the seed's.
        seed: of everything random.
        device: torch device for synthesis and tuning.
        progress: where phases report themselves.
        batch: images that are run at once where time is taken.
        choice: how the target was chosen, for the report.
        budget: seconds to spend where they pay; None runs the recipe's own numbers of images and steps.
        gates: limits by gate name (`verify/gates.py`) that the report is held against; nothing is raised.
        keep_images: give the images back, with the float network's answers to them.

    Raises:
        InputError: an output cannot be written, the calibration images do not fit the network, parts of the recipe do
            not go together, or training diverged.
        BackendUnavailable: the target's runtime is not installed.
    """
    for path in (out, report):
        if path is not None:
            require_writable(path)
    used = recipe.for_input(model.input_spec.shape)
    plan = plan_only(model, used)  # refuses what the recipe says of layers before any time is spent
    target = find_target(used.target)
    measuring = choose_backend(target, BACKENDS)
    clock = None if budget is None else TimeBudget(budget)
    if clock is not None:
        progress.budget_left = lambda: clock.left
        if calibration is None:
            with progress.phase("time a few steps"):
                used = clock.fit_images(used, model, device)
    curves = Curves()
    source = ImageSource(model, used, calibration, seed=seed, device=device, progress=progress, curves=curves)
    tuned = tune_network(model, plan, used, source, clock)
    proto = write_onnx(
        model.folded, tuned.plan, tuned.encodings, tuned.parameters, file_metadata(model, recipe, source)
    )
    float_file, file = _serialize(model.original), _serialize(proto)
    fresh = source.draw_fresh(used.verify.agreement_images, "make fresh images")
    parity_images, parity_source = source.fill(fresh, used.verify.parity_images)
    measured = run_verification(
        float_file,
        file,
        images=fresh.images.numpy(),
        source=fresh.name,
        expected=IntegerSimulator(model.folded, tuned.plan, tuned.encodings, tuned.parameters).run,
        exact=tuned.plan.exact,
        parity_images=parity_images.numpy(),
        parity_source=parity_source,
        labelled=_labelled(data),
        latency_seconds=used.verify.latency_seconds,
        batch=batch,
        progress=progress,
        backend=measuring.backend,
        own=measuring.own,
        away=measuring.away,
    )
    result = report_run(
        model,
        recipe,
        source,
        tuned,
        measured,
        name=out.name,
        float_file=float_file,
        file=file,
        clock=clock,
        progress=progress,
        measuring=measuring,
        choice=choice,
        curves=curves,
        image_warnings=fresh.warnings,
        findings=check(proto, target),
    )
    result = dataclasses.replace(result, gates=decide(result, gates or {}))
    with ExitStack() as outputs:
        outputs.enter_context(atomic_output(out)).write_bytes(file)
        if report is not None:
            outputs.enter_context(atomic_output(report)).write_text(result.to_json(), encoding="utf-8")
    images = None
    if keep_images and tuned.drawn is not None:
        images = _as_set(model, recipe, *tuned.drawn, method=source.name, seed=seed, device=device)
    return QuantizeResult(report=result, plan=tuned.plan, images=images)


def plan_only(model: FloatModel, recipe: Recipe) -> QuantPlan:
    """Which tensors `quantize` would quantize, and how, before `bits.mixed` raises any."""
    return plan_of(model, recipe.target, recipe.bits)


def forewarnings_of(model: FloatModel, recipe: Recipe) -> tuple[str, ...]:
    """What the report will warn of whatever the run comes to: what the target makes of the recipe's bits.

    Raises:
        InputError: the target takes no weights of the form that the recipe asks for.
    """
    return forewarnings(plan_only(model, recipe))


def synthesize(
    model: FloatModel, recipe: Recipe, *, count: int, seed: int, device: str, progress: Progress
) -> SyntheticSet:
    """Images for this network, made from the network alone, with the teacher's answers and their own measure."""
    used = recipe.for_input(model.input_spec.shape)
    source = ImageSource(model, used, None, seed=seed, device=device, progress=progress)
    made = source.draw(count, "make images")
    return _as_set(model, recipe, made.images, made.labels, method=source.name, seed=seed, device=device)


def _as_set(
    model: FloatModel, recipe: Recipe, images: Tensor, labels: Tensor, *, method: str, seed: int, device: str
) -> SyntheticSet:
    """Images with the float network's answers and the measure of them."""
    statistics, logits = measure_set(model.teacher.to(device), images, labels, model.input_spec, device)
    return SyntheticSet(
        images=images.numpy(),
        labels=labels.numpy(),
        logits=logits.numpy(),
        input_name=model.input_name,
        provenance={
            "tool": f"gdfq-export {__version__}",
            "method": method,
            "source": model.source,
            "source_sha256": model.sha256,
            "recipe": recipe.name,
            "recipe_sha256": recipe_sha256(recipe),
            "seed": seed,
            "statistics": statistics.to_json(),
        },
    )


def _labelled(data: RealSet | None) -> LabelledImages | None:
    if data is None:
        return None
    return LabelledImages(images=data.images.numpy(), labels=data.labels.numpy(), source=data.origin)


def _serialize(model: onnx.ModelProto) -> bytes:
    data: bytes = model.SerializeToString()
    return data
