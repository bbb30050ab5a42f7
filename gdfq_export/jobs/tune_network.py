"""From a float network and images to a tuned low-bit network: outliers, bits of layers, tuning, frozen integers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.passes.fold_batch_norm import ChannelStatistics
from gdfq_export.jobs.image_source import ImageSource
from gdfq_export.jobs.mixed_precision import MixingJob, mix_bits
from gdfq_export.jobs.precision.choice import Choice
from gdfq_export.jobs.precision.choose_precision import choose_precision
from gdfq_export.jobs.precision.drafts import PrecisionJob, with_floats
from gdfq_export.planning.mixed_precision import MixedPrecision
from gdfq_export.planning.placement import as_planned, plan_of
from gdfq_export.planning.plan import QuantPlan
from gdfq_export.planning.precision.goals import goals_of
from gdfq_export.planning.scaled_hard_swish import with_scaled_channels
from gdfq_export.recipe import Recipe
from gdfq_export.simulator import Encoding, Simulator
from gdfq_export.support.clocks.budget_clock import BudgetClock
from gdfq_export.targets import find_target
from gdfq_export.tuning import Tuned, tune
from gdfq_export.tuning.held_out import split
from gdfq_export.tuning.history import TimedTuning, TuningHistory
from gdfq_export.tuning.outliers import without_outliers
from gdfq_export.tuning.timed_finetuning import finetune_batch, most_steps

_HELD_OUT = 64  # images, at most


@dataclass(frozen=True, slots=True, kw_only=True)
class TunedNetwork:
    """All that is written, and how it came to be.

    Attributes:
        model: the float network in the form that was tuned.
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
        history: figures on held-out images over time, in a run with a budget.
        precision: what `bits.precision: auto` came to, with what it takes to tune again; None for a fixed precision.
    """

    model: FloatModel
    plan: QuantPlan
    simulator: Simulator
    encodings: Mapping[str, Encoding]
    parameters: Mapping[str, Tensor]
    recipe: Recipe
    images: int
    drawn: tuple[Tensor, Tensor] | None
    mix: MixedPrecision | None
    warnings: tuple[str, ...]
    history: TuningHistory | None = None
    precision: ChosenPrecision | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningImages:
    """What a network is tuned on: `drawn` images with labels, `kept` without outliers, and what to say of these."""

    drawn: tuple[Tensor, Tensor]
    kept: Tensor
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenPrecision:
    """A choice of precision, and what another choice is tuned with: the images, and the job it is a part of."""

    choice: Choice
    images: TuningImages
    job: PrecisionJob


def tune_network(
    model: FloatModel,
    plan: QuantPlan,
    recipe: Recipe,
    source: ImageSource,
    clock: BudgetClock | None,
    *,
    batch: int = 1,
) -> TunedNetwork:
    """Draw images, tune on them, freeze.

    Args:
        model: the float network with what is known of its values, `source.model` or what was made of it.
        plan: for the recipe's bits.
        recipe: as it is used for this network's image size.
        source: of the images.
        clock: of a run with a time budget, whose rest is for fine-tuning.
        batch: images per run, where latency is measured.
    """
    recipe = recipe if model.stand_ins else recipe.for_matched_statistics()
    simulator = _simulator(model, plan, source)
    if recipe.tuning.published is not None:
        return _frozen(model, simulator, recipe, source.tune(simulator), None)
    drawn = source.draw(recipe.images_drawn, "make images")
    kept, left_out = _without_outliers(simulator, drawn.images, recipe, source)
    images = TuningImages(drawn=(drawn.images, drawn.labels), kept=kept, left_out=left_out)
    if recipe.bits.precision == "auto":
        jobs = [
            PrecisionJob(model=form, recipe=used, source=source, statistics=_statistics(form), batch=batch)
            for form, used in _forms(model, recipe, source)
        ]
        job, choice = _choose_precision(jobs, kept)
        chosen = ChosenPrecision(choice=choice, images=images, job=job)
        return with_precision(chosen, choice.chosen.floats, clock)
    mix: MixedPrecision | None = None
    notes: tuple[str, ...] = ()
    if recipe.bits.mixed is not None:
        mixing = MixingJob(
            model=model, recipe=recipe, mixed=recipe.bits.mixed, source=source, statistics=_statistics(model)
        )
        mix, notes = mix_bits(mixing, simulator, kept)
        recipe = recipe.model_copy(update={"bits": mix.bits})
        simulator = _simulator(model, plan_of(model, recipe.target, mix.bits), source)
    tuned = _tuned(model, simulator, recipe, images, source, clock)
    return dataclasses.replace(tuned, mix=mix, warnings=(*images.left_out, *notes, *tuned.warnings))


def with_precision(chosen: ChosenPrecision, floats: frozenset[str], clock: BudgetClock | None) -> TunedNetwork:
    """The network with these nodes float, tuned on the images that the choice was made on."""
    model, source, recipe = chosen.job.model, chosen.job.source, chosen.job.recipe
    recipe = recipe.model_copy(update={"bits": with_floats(recipe.bits, floats)})
    simulator = _simulator(model, plan_of(model, recipe.target, recipe.bits), source)
    tuned = _tuned(model, simulator, recipe, chosen.images, source, clock)
    return dataclasses.replace(tuned, precision=chosen, warnings=(*chosen.images.left_out, *tuned.warnings))


def _forms(model: FloatModel, recipe: Recipe, source: ImageSource) -> list[tuple[FloatModel, Recipe]]:
    """The network as the recipe says and, where its channels are scaled, as it is without that."""
    target, forms = find_target(recipe.target), [(model, recipe)]
    if recipe.bits.scaled_channels and with_scaled_channels(source.model, target) is not source.model:
        bits = recipe.bits.model_copy(update={"scaled_channels": False})
        forms.append((as_planned(source.model, target, bits), recipe.model_copy(update={"bits": bits})))
    return forms


def _choose_precision(jobs: list[PrecisionJob], images: Tensor) -> tuple[PrecisionJob, Choice]:
    goals = goals_of(jobs[0].recipe.gates)
    with jobs[0].source.recorded.phase("choose precision") as phase:
        return choose_precision(jobs, goals, images, phase)


def _tuned(
    model: FloatModel,
    simulator: Simulator,
    recipe: Recipe,
    given: TuningImages,
    source: ImageSource,
    clock: BudgetClock | None,
) -> TunedNetwork:
    """Tune and freeze."""
    images = given.kept
    timed = None
    if clock is not None:
        recipe, held_out = _held_out(images, recipe, source)
        timed = TimedTuning(clock=clock, held_out=held_out)
    tuned = tune(
        simulator,
        images,
        recipe,
        statistics=_statistics(model),
        seed=source.seed,
        device=source.device,
        progress=source.recorded,
        timed=timed,
    )
    return _frozen(
        model,
        simulator,
        _as_run(recipe, tuned, len(given.drawn[0])),
        len(images),
        given.drawn,
        tuned.warnings,
        tuned.history,
    )


def _held_out(images: Tensor, recipe: Recipe, source: ImageSource) -> tuple[Recipe, Tensor | None]:
    """The recipe that leaves the held-out images out, and these: images `[N, C, H, W]` to follow a tuning with.

    They are those that fine-tuning keeps from its training, where the recipe allows it; else images of their own,
    or none where those that were given do not suffice.
    """
    if not most_steps(recipe):
        count = min(_HELD_OUT, recipe.verify.agreement_images)
        enough = source.has_new(count + recipe.verify.agreement_images)
        return recipe, source.draw(count, "make held-out images").images if enough else None
    seen, held_out = split(images, finetune_batch(recipe))
    count = min(recipe.calibration.images, len(seen))
    return recipe.model_copy(update={"calibration": recipe.calibration.model_copy(update={"images": count})}), held_out


def _as_run(recipe: Recipe, tuned: Tuned, drawn: int) -> Recipe:
    """The recipe of what was done, on as many images."""
    update: dict[str, Any] = {"finetune": tuned.finetune}
    if not tuned.layers_tuned:
        update |= {"rounding": False, "bias_correction": "none"}
    recipe = recipe.model_copy(update={"tuning": recipe.tuning.model_copy(update=update)})
    if tuned.finetune is None:
        return recipe
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"images": drawn})})


def _simulator(model: FloatModel, plan: QuantPlan, source: ImageSource) -> Simulator:
    return Simulator(model.folded, plan, task=model.task).to(source.device)


def _without_outliers(
    simulator: Simulator, images: Tensor, recipe: Recipe, source: ImageSource
) -> tuple[Tensor, tuple[str, ...]]:
    limit = recipe.calibration.outliers
    if limit is None:
        return images, ()
    with source.recorded.phase("look for outliers") as phase:
        kept, left_out = without_outliers(
            simulator,
            images,
            limit,
            on_batch=lambda done: phase(done, len(images), {}),
            processes=source.recorded.processes,
        )
    return kept, () if left_out is None else (left_out,)


def _frozen(
    model: FloatModel,
    simulator: Simulator,
    recipe: Recipe,
    images: int,
    drawn: tuple[Tensor, Tensor] | None,
    warnings: tuple[str, ...] = (),
    history: TuningHistory | None = None,
) -> TunedNetwork:
    return TunedNetwork(
        model=model,
        plan=simulator.plan,
        simulator=simulator,
        encodings=simulator.freeze(),
        parameters=simulator.tuned_parameters(),
        recipe=recipe,
        images=images,
        drawn=drawn,
        mix=None,
        warnings=warnings,
        history=history,
    )


def _statistics(model: FloatModel) -> dict[str, ChannelStatistics]:
    """What is known of the network's values: BatchNorm's statistics, and how images are likely spread."""
    inputs = model.input_spec.by_name or {model.input_name: model.input_spec}
    spread = {
        name: ChannelStatistics(mean=np.asarray(spec.centre, np.float32), std=np.asarray(spec.spread, np.float32))
        for name, spec in inputs.items()
    }
    return {**spread, **model.statistics}
