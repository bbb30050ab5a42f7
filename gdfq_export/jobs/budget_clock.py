"""The clock of a run with a time budget: what is left, and how many fine-tuning steps that pays for."""

from __future__ import annotations

import time
from collections.abc import Callable

from torch import Tensor

from gdfq_export.recipe import FineTune, Recipe
from gdfq_export.simulator import Simulator
from gdfq_export.tuning.distillation import time_step

FEWEST_FINETUNE_STEPS = 40  # below, the schedule is too short to settle
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
