"""From a float network and images to a tuned low-bit network: outliers, mixed bits, tuning, frozen integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.passes.fold_batch_norm import ChannelStatistics
from gdfq_export.jobs.image_source import ImageSource
from gdfq_export.jobs.mixed_precision import mix_bits
from gdfq_export.planning.mixed_precision import MixedPrecision
from gdfq_export.planning.placement import plan_of
from gdfq_export.planning.plan import QuantPlan
from gdfq_export.recipe import Recipe
from gdfq_export.simulator import Encoding, Simulator
from gdfq_export.support.clocks.budget_clock import BudgetClock
from gdfq_export.tuning import tune
from gdfq_export.tuning.outliers import without_outliers


@dataclass(frozen=True, slots=True, kw_only=True)
class TunedNetwork:
    """All that is written, and how it came to be.

    Attributes:
        plan: which tensors are quantized.
        simulator: the tuned network in torch.
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
    simulator: Simulator
    encodings: Mapping[str, Encoding]
    parameters: Mapping[str, Tensor]
    recipe: Recipe
    images: int
    drawn: tuple[Tensor, Tensor] | None
    mix: MixedPrecision | None
    warnings: tuple[str, ...]


def tune_network(
    model: FloatModel, plan: QuantPlan, recipe: Recipe, source: ImageSource, clock: BudgetClock | None
) -> TunedNetwork:
    """Draw images, tune on them, freeze.

    Args:
        model: the float network with what is known of its values, `source.model` or what was made of it.
        plan: for the recipe's bits.
        recipe: as it is used for this network's image size.
        source: of the images.
        clock: chooses the fine-tuning for the time that is left, in place of the recipe.
    """
    recipe = recipe if model.stand_ins else recipe.for_matched_statistics()
    simulator = _simulator(model, plan, source)
    if recipe.tuning.published is not None:
        return _frozen(simulator, recipe, source.tune(simulator), None)
    drawn = source.draw(recipe.images_drawn, "make images")
    images, left_out = _without_outliers(simulator, drawn.images, recipe, source)
    mix: MixedPrecision | None = None
    notes: tuple[str, ...] = ()
    if recipe.bits.mixed is not None:
        mix, notes = mix_bits(model, simulator, images, recipe, recipe.bits.mixed, source)
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
        clock=clock,
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


def _frozen(
    simulator: Simulator,
    recipe: Recipe,
    images: int,
    drawn: tuple[Tensor, Tensor] | None,
    mix: MixedPrecision | None = None,
    warnings: tuple[str, ...] = (),
) -> TunedNetwork:
    return TunedNetwork(
        plan=simulator.plan,
        simulator=simulator,
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
    inputs = model.input_spec.by_name or {model.input_name: model.input_spec}
    spread = {
        name: ChannelStatistics(mean=np.asarray(spec.centre, np.float32), std=np.asarray(spec.spread, np.float32))
        for name, spec in inputs.items()
    }
    return {**spread, **model.statistics}
