"""Which recipe a run really runs: the given one, for the network's image size and within the time budget.

Half of a budget may go into images: after the generator, which is cut short where it alone would take too much, as many
are refined as the rest of the half pays for. Fine-tuning comes last and takes what is left (`timed_finetuning.py`).
Everything chosen is a number of the recipe, so the report says how to have the same run again without a clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.recipe import Recipe
from gdfq_export.synthesis.method import SynthesisInputs
from gdfq_export.synthesis.registry import METHODS

FEWEST_IMAGES = 64
FEWEST_GENERATOR_STEPS = 60
_FOR_IMAGES = 0.5  # of the budget
_FOR_GENERATOR = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSeconds:
    """Seconds of a generator step and of a refinement step of a batch; None where the data method has none."""

    generator: float | None = None
    refinement: float | None = None


def time_steps(recipe: Recipe, model: FloatModel, device: str) -> StepSeconds:
    """Time the steps of the recipe's data method on this machine."""
    used = recipe.for_input(model.input_spec.extent)
    method, inputs = METHODS[used.data.method], SynthesisInputs(model=model, recipe=used, device=device)
    return StepSeconds(
        generator=None if method.generator_step is None else method.generator_step(inputs),
        refinement=method.refinement_step(inputs) if method.refinement_step and used.data.refinement.steps else None,
    )


def resolve(
    recipe: Recipe, shape: Sequence[int], *, seconds: float | None = None, steps: StepSeconds | None = None
) -> Recipe:
    """Return `recipe` as it is used for inputs of `shape` (C, ...), without side effects.

    Args:
        recipe: as the user gave it.
        shape: (C, ...) of an input.
        seconds: time budget up to the written file; None keeps the recipe's own numbers.
        steps: measured by `time_steps`; None keeps the recipe's own numbers.

    Example:
        >>> recipe = Recipe(name="mine")
        >>> resolve(recipe, (3, 32, 32)) == recipe.for_input((3, 32, 32))
        True
    """
    used = recipe.for_input(shape)
    if seconds is None or steps is None or (steps.generator is None and steps.refinement is None):
        return used
    data, spent, images = used.data, 0.0, used.calibration.images
    if steps.generator is not None:
        fit = int(_FOR_GENERATOR * seconds / steps.generator)
        count = min(data.generator.steps, max(FEWEST_GENERATOR_STEPS, fit))
        data = data.model_copy(update={"generator": data.generator.model_copy(update={"steps": count})})
        spent = count * steps.generator
    if steps.refinement is not None and data.refinement.steps:
        batches = int((_FOR_IMAGES * seconds - spent) / (data.refinement.steps * steps.refinement))
        most = max(used.budget.images, FEWEST_IMAGES)
        images = min(most, max(FEWEST_IMAGES, batches * data.refinement.batch))
    large = used.large_images
    update = {
        "data": data.model_copy(update={"images": images}),
        "calibration": used.calibration.model_copy(update={"images": images}),
        "large_images": large.model_copy(update={"calibration_images": max(images, large.calibration_images)}),
    }
    return used.model_copy(update=update)
