"""How many steps of fine-tuning the rest of a time budget pays for."""

from __future__ import annotations

from torch import Tensor

from gdfq_export.recipe import FineTune, Recipe
from gdfq_export.simulator import Simulator
from gdfq_export.support.clocks.budget_clock import BudgetClock
from gdfq_export.tuning.distillation import time_step

FEWEST_STEPS = 40  # a recipe that allows fewer is not fine-tuned
_SPARE = 0.9  # of what is left


def fit_finetune(
    recipe: Recipe, clock: BudgetClock, *, simulator: Simulator, reference: Simulator, images: Tensor
) -> FineTune | None:
    """Fine-tuning with as many steps as the rest of the time pays for, none where they would be too few.

    Args:
        recipe: its limits are `tuning.finetune` and `budget.finetune_steps`, whichever allows more.
        clock: of the run.
        simulator: tuned but for this.
        reference: the same network in float.
        images: [N, C, H, W], to time a step on.
    """
    settings = recipe.tuning.finetune or FineTune(steps=1, batch=recipe.budget.finetune_batch)
    most = max(settings.steps, recipe.budget.finetune_steps)
    steps = 0
    if most >= FEWEST_STEPS and (seconds := clock.share()) > 0:
        steps = min(most, int(_SPARE * seconds / time_step(simulator, reference, images, settings)))
    return settings.model_copy(update={"steps": steps}) if steps >= FEWEST_STEPS else None
