"""Fine-tuning takes as many steps as the rest of a budget pays for, and not more than the recipe allows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gdfq_export.recipe import Budget, FineTune, Recipe, Tuning
from gdfq_export.support.clocks.budget_clock import BudgetClock
from gdfq_export.tuning import timed_finetuning as module
from gdfq_export.tuning.timed_finetuning import fit_finetune
from tests.tuning.residual_network import images, simulator

RECIPE = Recipe(name="mine", budget=Budget(finetune_steps=200))


@pytest.fixture(autouse=True)
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A fine-tuning step takes 0.2 s, and checkpoints a twentieth of that."""
    monkeypatch.setattr(module, "time_step", lambda *_: 0.2)
    yield


def chosen(recipe: Recipe, left: float, reserved: float = 0.0) -> FineTune | None:
    clock, network = BudgetClock(left, lambda: 0.0), simulator(3)
    clock.reserve(reserved)
    return fit_finetune(recipe, clock, simulator=network, reference=network, images=images(4))


@pytest.mark.parametrize(("left", "expected"), [(100, 200), (21, 90), (5, 21), (0.1, 1), (-3, 1)])
def test_fine_tuning_takes_what_is_left(left: float, expected: int) -> None:
    found = chosen(RECIPE, left)
    assert found is not None and found.steps == expected
    assert chosen(RECIPE, left + 30, reserved=30) == found, "what is reserved is not there"


@pytest.mark.parametrize(("most", "expected"), [(0, 50), (40, 50), (120, 120)])
def test_a_recipes_own_fine_tuning_keeps_its_settings_and_grows_with_the_limit(most: int, expected: int) -> None:
    own = FineTune(steps=50, learning_rate=1e-5)
    recipe = RECIPE.model_copy(update={"tuning": Tuning(finetune=own), "budget": Budget(finetune_steps=most)})
    assert chosen(recipe, 1000) == own.model_copy(update={"steps": expected})


def test_a_recipe_without_fine_tuning_gets_none() -> None:
    assert chosen(Recipe(name="mine"), 1000) is None
