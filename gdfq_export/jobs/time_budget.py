"""Which recipe a run really runs: the given one, for the network's image size and within the time budget.

A budget is for the whole run. What measuring the file takes is set aside (`least_time.py`). Half of the rest may go
into images: after the generator, which is cut short where it alone would take too much, as many are refined as the
half pays for, fresh ones for the agreement at the end among them, or the fewest by fewer steps. Tuning of layers
follows, and fine-tuning takes what is left (`timed_finetuning.py`). Everything chosen is a number of the recipe, so the
report says how to have the same run again without a clock.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import torch

from calib.samplers import NoiseSampler
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs.least_time import (
    FEWEST_FRESH_IMAGES,
    FEWEST_GENERATOR_STEPS,
    FEWEST_IMAGES,
    StepSeconds,
    least_seconds,
)
from gdfq_export.recipe import Recipe
from gdfq_export.support.batch_size import batch_size
from gdfq_export.support.clocks.budget_clock import BudgetClock
from gdfq_export.synthesis.method import SynthesisInputs
from gdfq_export.synthesis.registry import METHODS

_FOR_IMAGES = 0.5  # of what measuring leaves
_FOR_GENERATOR = 0.25
_FOR_FRESH = 0.1  # of the time for refined images


def time_steps(recipe: Recipe, model: FloatModel, device: str, *, given: bool = False) -> StepSeconds:
    """Time the float network, and the steps of the recipe's data method unless images are given, on this machine."""
    used = recipe.for_input(model.input_spec.extent)
    method, inputs = METHODS[used.data.method], SynthesisInputs(model=model, recipe=used, device=device)
    image = _seconds_of_an_image(model)
    if given:
        return StepSeconds(image=image)
    return StepSeconds(
        generator=None if method.generator_step is None else method.generator_step(inputs),
        refinement=(
            method.refinement_step(inputs) if method.refinement_step and used.data.refinement.full_size_steps else None
        ),
        image=image,
    )


def resolve(
    recipe: Recipe, shape: Sequence[int], *, seconds: float | None = None, steps: StepSeconds | None = None
) -> Recipe:
    """Return `recipe` as it is used for inputs of `shape` (C, ...), without side effects.

    Args:
        recipe: as the user gave it.
        shape: (C, ...) of an input.
        seconds: for images and tuning; None keeps the recipe's own numbers.
        steps: measured by `time_steps`; None keeps the recipe's own numbers.

    Example:
        >>> recipe = Recipe(name="mine")
        >>> resolve(recipe, (3, 32, 32)) == recipe.for_input((3, 32, 32))
        True
    """
    used = recipe.for_input(shape)
    if seconds is None or steps is None or (steps.generator is None and steps.refinement is None):
        return used
    spent, update = 0.0, dict[str, Any]()
    if steps.generator is not None:
        fit = int(_FOR_GENERATOR * seconds / steps.generator)
        count = min(used.data.generator.steps, max(FEWEST_GENERATOR_STEPS, fit))
        generator = used.data.generator.model_copy(update={"steps": count})
        used = used.model_copy(update={"data": used.data.model_copy(update={"generator": generator})})
        spent = count * steps.generator
    images = used.calibration.images
    if steps.refinement is not None and used.data.refinement.full_size_steps:
        used, images = _refined(used, max(0.0, _FOR_IMAGES * seconds - spent), steps)
    large = used.large_images
    update |= {
        "data": used.data.model_copy(update={"images": images}),
        "calibration": used.calibration.model_copy(update={"images": images}),
        "large_images": large.model_copy(update={"calibration_images": max(images, large.calibration_images)}),
    }
    return used.model_copy(update=update)


def too_short(used: Recipe, clock: BudgetClock, steps: StepSeconds, *, labelled: int = 0) -> tuple[str, ...]:
    """A sentence where the budget does not pay for the least that can be done, nothing where it does.

    Args:
        used: the recipe as it is used for the network's image size.
        clock: of the run.
        steps: measured by `time_steps`.
        labelled: images that the file is scored on.
    """
    least = clock.spent + least_seconds(used, steps, labelled=labelled)
    if least <= clock.seconds:
        return ()
    return (
        f"a budget of {clock.seconds:g} s is too short for this network on this machine: loading it, the fewest images "
        f"and steps, and measuring the file take about {least:.0f} s and are done all the same; give --budget "
        f"{math.ceil(least / 10) * 10}s or more",
    )


def fresh_seconds(recipe: Recipe, steps: StepSeconds) -> float:
    """Seconds to make the fresh images that outputs are compared on; those of a generator cost nothing."""
    refinement = recipe.data.refinement
    if steps.refinement is None or steps.generator is not None:
        return 0.0
    return recipe.verify.agreement_images * refinement.full_size_steps * steps.refinement / refinement.batch


def _refined(used: Recipe, seconds: float, steps: StepSeconds) -> tuple[Recipe, int]:
    """The recipe with as many refinement steps and fresh images as the seconds pay for, and the number of images."""
    assert steps.refinement is not None
    refinement, verify = used.data.refinement, used.verify
    step = steps.refinement / refinement.batch
    fit = int(seconds / (refinement.full_size_steps * step))
    fresh, costly = verify.agreement_images, 0
    if steps.generator is None:
        fresh = costly = min(fresh, max(FEWEST_FRESH_IMAGES, int(_FOR_FRESH * fit)))
    whole_batches = (fit - costly) // refinement.batch * refinement.batch
    images = min(max(used.budget.images, FEWEST_IMAGES), max(FEWEST_IMAGES, whole_batches))
    share = min(1.0, seconds / ((images + costly) * step * refinement.full_size_steps))
    fewer = {name: int(share * getattr(refinement, name)) for name in ("steps", "coarse_steps")}
    parity = verify.parity_images if fresh == verify.agreement_images else min(verify.parity_images, fresh)
    data = used.data.model_copy(update={"refinement": refinement.model_copy(update=fewer)})
    verify = verify.model_copy(update={"agreement_images": fresh, "parity_images": parity})
    return used.model_copy(update={"data": data, "verify": verify}), images


def _seconds_of_an_image(model: FloatModel) -> float:
    """The better of two runs of the float network on noise."""
    count = batch_size(model.input_spec.shape)
    images, _ = NoiseSampler(model.input_spec, model.task.aim.conditions).draw(count, count)
    seconds, teacher = [], model.teacher.to("cpu")
    with torch.no_grad():
        for _ in range(2):
            started = time.perf_counter()
            teacher(images)
            seconds.append(time.perf_counter() - started)
    return min(seconds) / count
