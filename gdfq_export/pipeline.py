"""The whole job on one page: float network in, verified low-bit ONNX out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor

from calib.gdfq import train_gdfq
from calib.samplers import NoiseSampler, RealSet, Sampler
from calib.synthetic_set import SyntheticSet
from gdfq_export import __version__
from gdfq_export.errors import InputError
from gdfq_export.files import atomic_output, require_writable
from gdfq_export.float_model import FloatModel
from gdfq_export.placement import build_plan
from gdfq_export.plan import QuantPlan
from gdfq_export.progress import Progress
from gdfq_export.recipe import Recipe, recipe_sha256
from gdfq_export.simulator import IntegerSimulator, Simulator
from gdfq_export.targets import find_target
from gdfq_export.tuning import calibrate, finetune, tune_layers
from gdfq_export.verify.accuracy import LabelledImages
from gdfq_export.verify.machine import this_machine, versions
from gdfq_export.verify.report import CalibrationFacts, FileFacts, Files, RecipeFacts, Report
from gdfq_export.verify.verify import Verification, run_verification
from gdfq_export.writer import write_onnx

__all__ = ["QuantizeResult", "plan_only", "quantize", "synthesize"]

_DRAW_BATCH = 64


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
    calibration: SyntheticSet | None,
    seed: int,
    device: str,
    progress: Progress,
) -> QuantizeResult:
    """Quantize `model`, write it to `out`, and measure what was written.

    Args:
        model: the float network.
        recipe: everything that decides what comes out, apart from the network and the seed.
        out: the ONNX file to write.
        report: the JSON report to write.
        data: labelled images to score with; nothing is tuned on them.
        calibration: images to use instead of synthesizing.
        seed: of everything random.
        device: torch device for synthesis and tuning.
        progress: where phases report themselves.

    Raises:
        InputError: an output cannot be written, or the calibration images do not fit the network.
    """
    for path in (out, report):
        if path is not None:
            require_writable(path)
    plan = plan_only(model, recipe)
    sampler = _sampler(model, recipe, calibration, seed, device, progress)
    images = _draw(sampler, recipe, progress)
    simulator = Simulator(model.folded, plan, logits=model.logits_name).to(device)
    _tune(simulator, images, recipe, seed, device, progress)
    encodings, parameters = simulator.freeze(), simulator.tuned_parameters()
    proto = write_onnx(model.folded, plan, encodings, parameters, _metadata(model, recipe, sampler, seed))
    file = _serialize(proto)
    exact = IntegerSimulator(model.folded, plan, encodings, parameters)
    fresh, _ = sampler.draw(recipe.verify.agreement_images, _DRAW_BATCH)
    measured = run_verification(
        _serialize(model.original),
        file,
        images=fresh.numpy(),
        source=f"{sampler.source} (fresh)",
        expected=exact.run,
        parity_images=fresh.numpy()[: recipe.verify.parity_images],
        labelled=_labelled(data),
        latency_seconds=recipe.verify.latency_seconds,
        progress=progress,
    )
    result = _report(model, recipe, sampler, len(images), seed, file, out, measured, progress)
    with atomic_output(out) as temporary:
        temporary.write_bytes(file)
    if report is not None:
        result.write(report)
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
    """Images for this network, made from the network alone, with the teacher's answers to them."""
    sampler = _sampler(model, recipe, None, seed, device, progress)
    images, labels = sampler.draw(count, _DRAW_BATCH)
    teacher = model.teacher.to(device)
    with torch.no_grad():
        logits = torch.cat([teacher(batch.to(device)).cpu() for batch in images.split(_DRAW_BATCH)])
    return SyntheticSet(
        images=images.numpy(),
        labels=labels.numpy(),
        logits=logits.numpy(),
        input_name=model.input_name,
        provenance={
            "tool": f"gdfq-export {__version__}",
            "method": sampler.source,
            "source": model.source,
            "source_sha256": model.sha256,
            "recipe": recipe.name,
            "recipe_sha256": recipe_sha256(recipe),
            "seed": seed,
        },
    )


def _sampler(
    model: FloatModel, recipe: Recipe, calibration: SyntheticSet | None, seed: int, device: str, progress: Progress
) -> Sampler:
    if calibration is not None:
        return _SavedSampler(calibration, model)
    if recipe.data.method == "noise":
        return NoiseSampler(model.input_spec, model.num_classes, seed)
    with progress.phase("train the generator") as phase:
        try:
            return train_gdfq(
                model.teacher,
                model.input_spec,
                model.num_classes,
                recipe.data.generator.settings(),
                seed,
                device,
                phase,
            )
        except FloatingPointError as error:
            raise InputError(
                f"the generator's training diverged on {model.source}; lower data.generator.learning_rate "
                f"in the recipe {recipe.name}"
            ) from error


class _SavedSampler:
    """Draws from a saved set, in order and from the start again when it is used up."""

    def __init__(self, saved: SyntheticSet, model: FloatModel) -> None:
        if saved.images.shape[1:] != model.input_spec.shape:
            raise InputError(
                f"the calibration images are {list(saved.images.shape[1:])} but {model.source} takes "
                f"{list(model.input_spec.shape)}; make them for this network with gdfq-export synthesize"
            )
        if saved.logits.shape[1] != model.num_classes:
            raise InputError(
                f"the calibration images carry logits of {saved.logits.shape[1]} classes but {model.source} has "
                f"{model.num_classes}; make them for this network with gdfq-export synthesize"
            )
        self.saved = saved
        self.position = 0
        self.source = f"a saved set ({saved.provenance.get('method', 'unknown origin')})"

    def draw(self, count: int, batch: int) -> tuple[Tensor, Tensor]:
        del batch
        order = (self.position + np.arange(count)) % len(self.saved.images)
        self.position += count
        return torch.from_numpy(self.saved.images[order]), torch.from_numpy(self.saved.labels[order])


def _draw(sampler: Sampler, recipe: Recipe, progress: Progress) -> Tensor:
    count = max(recipe.calibration.images, recipe.data.images if recipe.tuning.finetune is not None else 0)
    with progress.phase("draw images"):
        images, _ = sampler.draw(count, _DRAW_BATCH)
    return images


def _tune(simulator: Simulator, images: Tensor, recipe: Recipe, seed: int, device: str, progress: Progress) -> None:
    seen = images[: recipe.calibration.images]
    with progress.phase("calibrate") as phase:
        calibrate(
            simulator,
            _batches(seen, device),
            recipe.calibration,
            on_batch=lambda done: phase(done, len(seen), {}),
        )
    if recipe.tuning.rounding or recipe.tuning.bias_correction:
        with progress.phase("tune layers") as phase:
            tune_layers(
                simulator,
                seen.to(device),
                rounding=recipe.tuning.rounding,
                bias_correction=recipe.tuning.bias_correction,
                seed=seed,
                on_layer=lambda done, total: phase(done, total, {}),
            )
    if recipe.tuning.finetune is not None:
        with progress.phase("fine-tune") as phase:
            finetune(simulator, images, recipe.tuning.finetune, seed=seed, on_step=phase)


def _batches(images: Tensor, device: str) -> Iterator[Tensor]:
    return (batch.to(device) for batch in images.split(_DRAW_BATCH))


def _metadata(model: FloatModel, recipe: Recipe, sampler: Sampler, seed: int) -> dict[str, str]:
    return {
        "version": __version__,
        "target": recipe.target,
        "recipe": recipe.name,
        "recipe_sha256": recipe_sha256(recipe),
        "seed": str(seed),
        "source_sha256": model.sha256,
        "calibration_source": sampler.source,
    }


def _labelled(data: RealSet | None) -> LabelledImages | None:
    if data is None:
        return None
    return LabelledImages(images=data.images.numpy(), labels=data.labels.numpy(), source=data.origin)


def _report(
    model: FloatModel,
    recipe: Recipe,
    sampler: Sampler,
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
        calibration=CalibrationFacts(source=sampler.source, images=images, provenance={}),
        accuracy=measured.accuracy,
        agreement=measured.agreement,
        parity=measured.parity,
        coverage=measured.coverage,
        latency=measured.latency,
        seconds_by_phase=dict(progress.seconds),
        warnings=model.warnings,
        machine=this_machine(),
        versions=versions(),
    )


def _facts(name: str, data: bytes) -> FileFacts:
    return FileFacts(name=name, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


def _serialize(model: onnx.ModelProto) -> bytes:
    data: bytes = model.SerializeToString()
    return data
