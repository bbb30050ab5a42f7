"""From a float network and images to a tuned low-bit network: outliers, mixed bits, tuning, frozen integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from torch import Tensor

from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.passes.fold_batch_norm import ChannelStatistics
from gdfq_export.jobs.draft_model import write_draft
from gdfq_export.jobs.image_source import ImageSource
from gdfq_export.jobs.provenance import file_metadata
from gdfq_export.jobs.time_budget import TimeBudget
from gdfq_export.planning.placement import plan_of
from gdfq_export.planning.plan import QuantPlan
from gdfq_export.recipe import MixedBits, Recipe
from gdfq_export.simulator import Encoding, Simulator
from gdfq_export.tuning import tune
from gdfq_export.tuning.mixed_precision import Mix, mix_bits, raising_costs
from gdfq_export.tuning.outliers import without_outliers

__all__ = ["TunedNetwork", "tune_network"]

_WEIGHED_ON = 8  # images that give a draft its ranges


@dataclass(frozen=True, slots=True, kw_only=True)
class TunedNetwork:
    """All that is written, and how it came to be.

    Attributes:
        plan: which tensors are quantized.
        encodings: scales, zero points and codes by the points' keys.
        parameters: tuned weights and biases by tensor name.
        recipe: as it was run; a run with it, on as many images, has no more to choose.
        images: how many it was tuned on.
        drawn: those images [N, C, H, W] and their labels [N], outliers included; None where a generator made them as
            they were used.
        mix: what `bits.mixed` came to.
        warnings: what the user should know.
    """

    plan: QuantPlan
    encodings: Mapping[str, Encoding]
    parameters: Mapping[str, Tensor]
    recipe: Recipe
    images: int
    drawn: tuple[Tensor, Tensor] | None
    mix: Mix | None
    warnings: tuple[str, ...]


def tune_network(
    model: FloatModel, plan: QuantPlan, recipe: Recipe, source: ImageSource, clock: TimeBudget | None
) -> TunedNetwork:
    """Draw images, tune on them, freeze.

    Args:
        model: the float network.
        plan: for the recipe's bits.
        recipe: as it is used for this network's image size.
        source: of the images.
        clock: chooses the fine-tuning for the time that is left, in place of the recipe.
    """
    simulator = _simulator(model, plan, source)
    if recipe.tuning.published is not None:
        return _frozen(simulator, recipe, source.tune(simulator), None)
    drawn = source.draw(recipe.images_drawn, "make images")
    images, left_out = _without_outliers(simulator, drawn.images, recipe, source)
    mix, notes = _mix(model, simulator, images, recipe, source)
    if mix is not None:
        recipe = recipe.model_copy(update={"bits": mix.bits})
        simulator = _simulator(model, plan_of(model, recipe.target, mix.bits), source)
    tuned = tune(
        simulator,
        images,
        recipe,
        statistics=_statistics(model),
        seed=source.seed,
        device=source.device,
        progress=source.recorded,
        choose_finetune=None if clock is None else clock.fit_finetune,
    )
    if tuned.finetune is not None:
        data = recipe.data.model_copy(update={"images": len(drawn.images)})
        tuning = recipe.tuning.model_copy(update={"finetune": tuned.finetune})
        recipe = recipe.model_copy(update={"data": data, "tuning": tuning})
    return _frozen(
        simulator, recipe, len(images), (drawn.images, drawn.labels), mix, (*left_out, *notes, *tuned.warnings)
    )


def _simulator(model: FloatModel, plan: QuantPlan, source: ImageSource) -> Simulator:
    return Simulator(model.folded, plan, task=model.task).to(source.device)


def _without_outliers(
    simulator: Simulator, images: Tensor, recipe: Recipe, source: ImageSource
) -> tuple[Tensor, tuple[str, ...]]:
    limit = recipe.calibration.outliers
    if limit is None:
        return images, ()
    with source.recorded.phase("look for outliers") as phase:
        kept, left_out = without_outliers(simulator, images, limit, on_batch=lambda done: phase(done, len(images), {}))
    return kept, () if left_out is None else (left_out,)


def _mix(
    model: FloatModel, simulator: Simulator, images: Tensor, recipe: Recipe, source: ImageSource
) -> tuple[Mix | None, tuple[str, ...]]:
    """What `bits.mixed` comes to, and what the user should know of it."""
    mixed = recipe.bits.mixed
    if mixed is None:
        return None, ()
    plan_with = partial(plan_of, model, recipe.target)
    room: int | None = None
    if any(raising_costs(simulator, recipe.bits, mixed, plan_with).values()):
        room, warnings = _room(model, images, recipe, mixed, source)
    else:
        few, most = recipe.bits.weights, mixed.weights
        reason = f"{recipe.target} stores weights of {most} bits in as many bytes as those of {few}"
        warnings = (f"{reason}: bits.mixed gives {most} bits to every layer",)
    with source.recorded.phase("measure layers") as phase:
        mix = mix_bits(
            simulator,
            images,
            recipe.bits,
            mixed,
            plan_with=plan_with,
            room=room,
            on_layer=lambda done, total: phase(done, total, {}),
        )
    return mix, warnings


def _room(
    model: FloatModel, images: Tensor, recipe: Recipe, mixed: MixedBits, source: ImageSource
) -> tuple[int | None, tuple[str, ...]]:
    """Bytes that the file may grow by until it takes `mixed.size_ratio` of the float file's; None: no such limit.

    A draft is weighed: what it has of other numbers than the file to come are some bytes for each zero point, and the
    Cast nodes that raised layers do without.
    """
    if mixed.size_ratio is None:
        return None, ()
    facts = file_metadata(model, recipe, source)
    least = write_draft(model, recipe.target, recipe.bits, images[:_WEIGHED_ON].cpu(), facts).file.ByteSize()
    floating = model.original.ByteSize()
    room = int(mixed.size_ratio * floating) - least
    if room >= 0:
        return room, ()
    return None, (
        f"bits.mixed.size_ratio is {mixed.size_ratio:g}, and the file takes {least / floating:.3f} of the float file's "
        "bytes before any layer is raised: bits.mixed.growth alone limits which are",
    )


def _frozen(
    simulator: Simulator,
    recipe: Recipe,
    images: int,
    drawn: tuple[Tensor, Tensor] | None,
    mix: Mix | None = None,
    warnings: tuple[str, ...] = (),
) -> TunedNetwork:
    return TunedNetwork(
        plan=simulator.plan,
        encodings=simulator.freeze(),
        parameters=simulator.tuned_parameters(),
        recipe=recipe,
        images=images,
        drawn=drawn,
        mix=mix,
        warnings=warnings,
    )


def _statistics(model: FloatModel) -> dict[str, ChannelStatistics]:
    """What is known of the network's values: BatchNorm's statistics, and how images are likely spread."""
    mean, std = (np.asarray(numbers, np.float32) for numbers in (model.input_spec.centre, model.input_spec.spread))
    return {model.input_name: ChannelStatistics(mean=mean, std=std), **model.statistics}
