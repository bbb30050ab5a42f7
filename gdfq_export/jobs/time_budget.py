"""A budget in seconds instead of epochs: how many images and steps fit, from steps that were timed on this machine.

Half of the time may go into images: after the generator, which is cut short where it alone would take too much, as many
are refined as the rest of the half pays for. Fine-tuning comes last and takes what is left. Everything chosen is a
number of the recipe, so the report says how to have the same run again, on any machine and without a clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from torch import Tensor

from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.recipe import FineTune, Recipe
from gdfq_export.simulator import Simulator
from gdfq_export.synthesis.method import SynthesisInputs
from gdfq_export.synthesis.registry import METHODS
from gdfq_export.tuning.distillation import time_step

__all__ = ["TimeBudget"]

FEWEST_IMAGES = 64
FEWEST_GENERATOR_STEPS = 60
FEWEST_FINETUNE_STEPS = 40  # below, the schedule is too short to settle
_FOR_IMAGES = 0.5  # of the budget
_FOR_GENERATOR = 0.25
_SPARE = 0.9  # of what is left when fine-tuning begins; the rest is for verification


class TimeBudget:
    """The time that one run may take, counted from the making of this object.

    Args:
        seconds: for everything up to the written file.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._started = clock()

    @property
    def left(self) -> float:
        """Seconds left; negative when the run took longer."""
        return self.seconds - (self._clock() - self._started)

    def fit_images(self, recipe: Recipe, model: FloatModel, device: str) -> Recipe:
        """The recipe, as it is used for this network, with as many generator steps and images as the time pays for.

        Recipes whose images are not made of a generator or by refinement come back as they are.
        """
        data, method = recipe.data, METHODS[recipe.data.method]
        if method.generator_step is None and method.refinement_step is None:
            return recipe
        inputs = SynthesisInputs(model=model, recipe=recipe, device=device)
        spent = 0.0
        if method.generator_step is not None:
            step = method.generator_step(inputs)
            fit = int(_FOR_GENERATOR * self.seconds / step)
            steps = min(data.generator.steps, max(FEWEST_GENERATOR_STEPS, fit))
            data = data.model_copy(update={"generator": data.generator.model_copy(update={"steps": steps})})
            spent = steps * step
        images = recipe.calibration.images
        if method.refinement_step is not None:
            batch_seconds = data.refinement.steps * method.refinement_step(inputs)
            batches = int((_FOR_IMAGES * self.seconds - spent) / batch_seconds)
            most = max(recipe.budget.images, FEWEST_IMAGES)
            images = min(most, max(FEWEST_IMAGES, batches * data.refinement.batch))
        large = recipe.large_images
        return recipe.model_copy(
            update={
                "data": data.model_copy(update={"images": images}),
                "calibration": recipe.calibration.model_copy(update={"images": images}),
                "large_images": large.model_copy(update={"calibration_images": max(images, large.calibration_images)}),
            }
        )

    def fit_finetune(
        self, recipe: Recipe, simulator: Simulator, reference: Simulator, images: Tensor
    ) -> FineTune | None:
        """Fine-tuning with as many steps as the rest of the time pays for, none where they would be too few."""
        settings = recipe.tuning.finetune or FineTune(steps=1, batch=recipe.budget.finetune_batch)
        most = max(settings.steps, recipe.budget.finetune_steps)
        steps = 0
        if most >= FEWEST_FINETUNE_STEPS and self.left > 0:
            steps = min(most, int(_SPARE * self.left / time_step(simulator, reference, images, settings)))
        return settings.model_copy(update={"steps": steps}) if steps >= FEWEST_FINETUNE_STEPS else None
