"""The whole job on one page: float network in, verified low-bit ONNX out."""

from __future__ import annotations

import dataclasses
import hashlib
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from torch import Tensor

from calib.samplers import RealSet
from calib.set_statistics import measure_set
from calib.synthetic_set import SyntheticSet
from gdfq_export import __version__
from gdfq_export.budget import Budget
from gdfq_export.data import ImageSource
from gdfq_export.errors import InputError
from gdfq_export.files import atomic_output, require_writable
from gdfq_export.float_model import FloatModel
from gdfq_export.graph.fold import ChannelStatistics
from gdfq_export.placement import build_plan
from gdfq_export.plan import QuantPlan
from gdfq_export.progress import Progress
from gdfq_export.recipe import FineTune, Recipe, recipe_sha256
from gdfq_export.simulator import IntegerSimulator, Simulator
from gdfq_export.targets import find_target
from gdfq_export.tuning import published_finetune, tune
from gdfq_export.tuning.mixed_bits import layers_to_raise, weight_sensitivity, with_raised_layers
from gdfq_export.verify.accuracy import LabelledImages
from gdfq_export.verify.machine import this_machine, versions
from gdfq_export.verify.not_measured import NotMeasured
from gdfq_export.verify.report import (
    BudgetFacts,
    CalibrationFacts,
    FileFacts,
    Files,
    MixedBitsFacts,
    RecipeFacts,
    Report,
)
from gdfq_export.verify.verify import Verification, run_verification
from gdfq_export.writer import write_onnx

__all__ = ["QuantizeResult", "plan_only", "quantize", "synthesize"]

_JUDGES = 64  # images that layers are measured on


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeResult:
    """What `quantize` leaves behind besides its files."""

    report: Report
    plan: QuantPlan


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
        budget: seconds to spend where they pay; None runs the recipe's own numbers of images and steps.

    Raises:
        InputError: an output cannot be written, the calibration images do not fit the network, parts of the recipe do
            not go together, or training diverged.
    """
    for path in (out, report):
        if path is not None:
            require_writable(path)
    used = recipe.for_input(model.input_spec.shape)
    plan = plan_only(model, used)
    clock = None if budget is None else Budget(budget)
    if clock is not None:
        progress.budget_left = lambda: clock.left
        if calibration is None:
            with progress.phase("time a few steps"):
                used = clock.fit_images(used, model, device)
    source = ImageSource(model, used, calibration, seed=seed, device=device, progress=progress)
    images = None if used.tuning.published else source.draw(_images_needed(used), "make images")[0]
    mixed = None
    if used.bits.mixed is not None:
        used, mixed = _mix_bits(model, used, images, device, progress)
        plan = plan_only(model, used)
    simulator = Simulator(model.folded, plan, logits=model.logits_name).to(device)
    seen, finetune = _tune(model, simulator, source, images, used, clock)
    encodings, parameters = simulator.freeze(), simulator.tuned_parameters()
    proto = write_onnx(model.folded, plan, encodings, parameters, _metadata(model, recipe, source, seed))
    file = _serialize(proto)
    exact = IntegerSimulator(model.folded, plan, encodings, parameters)
    fresh, _ = source.draw_fresh(used.verify.agreement_images, "make fresh images")
    parity_images, parity_source = source.fill(fresh, used.verify.parity_images)
    measured = run_verification(
        _serialize(model.original),
        file,
        images=fresh.numpy(),
        source=source.name_fresh,
        expected=exact.run,
        parity_images=parity_images.numpy(),
        parity_source=parity_source,
        labelled=_labelled(data),
        latency_seconds=used.verify.latency_seconds,
        progress=progress,
    )
    result = _report(model, recipe, source, seen, seed, file, out, measured, progress)
    result = dataclasses.replace(result, mixed_bits=mixed)
    if clock is not None:
        result = dataclasses.replace(result, budget=BudgetFacts(seconds=clock.seconds, chosen=_chosen(used, finetune)))
    with ExitStack() as outputs:
        outputs.enter_context(atomic_output(out)).write_bytes(file)
        if report is not None:
            outputs.enter_context(atomic_output(report)).write_text(result.to_json(), encoding="utf-8")
    return QuantizeResult(report=result, plan=plan)


def plan_only(model: FloatModel, recipe: Recipe) -> QuantPlan:
    """Which tensors `quantize` would quantize, and how."""
    low, high = min(model.input_spec.low), max(model.input_spec.high)
    return build_plan(
        model.folded, find_target(recipe.target), recipe.bits, logits=model.logits_name, input_range=(low, high)
    )


def synthesize(
    model: FloatModel, recipe: Recipe, *, count: int, seed: int, device: str, progress: Progress
) -> SyntheticSet:
    """Images for this network, made from the network alone, with the teacher's answers and their own measure."""
    used = recipe.for_input(model.input_spec.shape)
    source = ImageSource(model, used, None, seed=seed, device=device, progress=progress)
    images, labels = source.draw(count, "make images")
    statistics, logits = measure_set(model.teacher.to(device), images, labels, model.input_spec, device)
    return SyntheticSet(
        images=images.numpy(),
        labels=labels.numpy(),
        logits=logits.numpy(),
        input_name=model.input_name,
        provenance={
            "tool": f"gdfq-export {__version__}",
            "method": source.name,
            "source": model.source,
            "source_sha256": model.sha256,
            "recipe": recipe.name,
            "recipe_sha256": recipe_sha256(recipe),
            "seed": seed,
            "statistics": statistics.to_json(),
        },
    )


def _mix_bits(
    model: FloatModel, recipe: Recipe, images: Tensor | None, device: str, progress: Progress
) -> tuple[Recipe, MixedBitsFacts]:
    """The recipe with layers raised as its `bits.mixed` says, and why."""
    mixed = recipe.bits.mixed
    if images is None or mixed is None:
        raise InputError(
            f"bits.mixed in the recipe {recipe.name} measures layers on images, and tuning.published makes them only "
            "while it tunes; leave one of them out"
        )
    simulator = Simulator(model.folded, plan_only(model, recipe), logits=model.logits_name).to(device)
    with progress.phase("measure layers") as phase:
        sensitivity = weight_sensitivity(
            simulator, images[:_JUDGES], on_layer=lambda done, total: phase(done, total, {})
        )
    raised = layers_to_raise(simulator.layers(), sensitivity, mixed)
    facts = MixedBitsFacts(sensitivity=sensitivity, raised=dict.fromkeys(raised, mixed.weights))
    return recipe.model_copy(update={"bits": with_raised_layers(recipe.bits, raised)}), facts


def _tune(
    model: FloatModel,
    simulator: Simulator,
    source: ImageSource,
    images: Tensor | None,
    recipe: Recipe,
    clock: Budget | None,
) -> tuple[int, FineTune | None]:
    """Tune on the images, or on none where training makes them; how many were seen, and the fine-tuning at the end."""
    seed, device, progress = source.seed, source.device, source.progress
    if images is None:
        assert recipe.tuning.published is not None
        with progress.phase("train and fine-tune") as phase:
            published_finetune(simulator, source.trainer, recipe.tuning.published, on_step=phase)
        return source.trainer.images, None
    finetune = tune(
        simulator,
        images,
        recipe,
        statistics=_statistics(model),
        seed=seed,
        device=device,
        progress=progress,
        choose_finetune=None if clock is None else clock.fit_finetune,
    )
    return len(images), finetune


def _chosen(recipe: Recipe, finetune: FineTune | None) -> dict[str, int]:
    """The numbers that a budget chose, by their keys in a recipe."""
    chosen = {"calibration.images": recipe.calibration.images}
    if recipe.data.method in ("gdfq", "gdfq-refined"):
        chosen["data.generator.steps"] = recipe.data.generator.steps
    if finetune is not None:
        chosen |= {"data.images": recipe.data.images, "tuning.finetune.steps": finetune.steps}
    return chosen


def _statistics(model: FloatModel) -> dict[str, ChannelStatistics]:
    """What is known of the network's values: BatchNorm's statistics, and how images are likely spread."""
    mean, std = (np.asarray(numbers, np.float32) for numbers in (model.input_spec.centre, model.input_spec.spread))
    return {model.input_name: ChannelStatistics(mean=mean, std=std), **model.statistics}


def _images_needed(recipe: Recipe) -> int:
    return max(recipe.calibration.images, recipe.data.images if recipe.tuning.finetune is not None else 0)


def _metadata(model: FloatModel, recipe: Recipe, source: ImageSource, seed: int) -> dict[str, str]:
    return {
        "version": __version__,
        "target": recipe.target,
        "recipe": recipe.name,
        "recipe_sha256": recipe_sha256(recipe),
        "seed": str(seed),
        "source_sha256": model.sha256,
        "calibration_source": source.name,
    }


def _labelled(data: RealSet | None) -> LabelledImages | None:
    if data is None:
        return None
    return LabelledImages(images=data.images.numpy(), labels=data.labels.numpy(), source=data.origin)


def _report(
    model: FloatModel,
    recipe: Recipe,
    source: ImageSource,
    images: int,
    seed: int,
    file: bytes,
    out: Path,
    measured: Verification,
    progress: Progress,
) -> Report:
    original = _serialize(model.original)
    return Report(
        tool_version=__version__,
        source=model.source,
        files=Files(
            float_network=_facts(model.name, original),
            quantized=_facts(out.name, file),
            size_ratio=len(file) / len(original),
        ),
        recipe=RecipeFacts(name=recipe.name, target=recipe.target, sha256=recipe_sha256(recipe)),
        seed=seed,
        calibration=CalibrationFacts(source=source.name, images=images, provenance=source.provenance),
        accuracy=measured.accuracy,
        agreement=measured.agreement,
        parity=measured.parity,
        coverage=measured.coverage,
        latency=measured.latency,
        seconds_by_phase=dict(progress.seconds),
        warnings=(*model.warnings, *_warnings(measured)),
        machine=this_machine(),
        versions=versions(),
    )


def _warnings(measured: Verification) -> list[str]:
    parity = measured.parity
    if isinstance(parity, NotMeasured) or parity.exact:
        return []
    return [
        f"ONNX Runtime on this machine computes {parity.differing:,} of {parity.elements:,} integers otherwise than "
        f"simulated, first in {parity.first_differing}; trust the figures measured on the file"
    ]


def _facts(name: str, data: bytes) -> FileFacts:
    return FileFacts(name=name, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


def _serialize(model: onnx.ModelProto) -> bytes:
    data: bytes = model.SerializeToString()
    return data
