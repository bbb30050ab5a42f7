"""How many steps of fine-tuning the rest of a time budget pays for."""

from __future__ import annotations

from torch import Tensor

from gdfq_export.recipe import FineTune, Recipe
from gdfq_export.simulator import Simulator
from gdfq_export.support.clocks.budget_clock import BudgetClock
from gdfq_export.tuning.distillation import time_step

_SPARE = 0.9  # of what is left, since steps are timed on a machine that may become busier
_CHECKPOINTS = 1.05  # times the seconds of the steps, with measurements between them


def most_steps(recipe: Recipe) -> int:
    """Steps that the recipe allows in a run with a budget; 0: it has no fine-tuning."""
    own = recipe.tuning.finetune
    return max(0 if own is None else own.steps, recipe.budget.finetune_steps)


def finetune_batch(recipe: Recipe) -> int:
    """Images of a step of fine-tuning, where the recipe has any."""
    own = recipe.tuning.finetune
    return recipe.budget.finetune_batch if own is None else own.batch


def fit_finetune(
    recipe: Recipe, clock: BudgetClock, *, simulator: Simulator, reference: Simulator, images: Tensor
) -> FineTune | None:
    """Fine-tuning with as many steps as the rest of the time pays for, one at least; None where the recipe has none.

    No number is too small: the best state is kept, and that before the first step is one of them.

    Args:
        recipe: its limits are `tuning.finetune` and `budget.finetune_steps`, whichever allows more.
        clock: of the run.
        simulator: tuned but for this.
        reference: the same network in float.
        images: [N, C, H, W], to time a step on.
    """
    if not (most := most_steps(recipe)):
        return None
    settings = recipe.tuning.finetune or FineTune(steps=1, batch=finetune_batch(recipe))
    steps = 1
    if clock.share() > 0:
        seconds = _CHECKPOINTS * time_step(simulator, reference, images, settings)
        steps = max(1, min(most, int(_SPARE * clock.share() / seconds)))
    return settings.model_copy(update={"steps": steps})
