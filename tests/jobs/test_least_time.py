"""What a budget cannot shorten: measuring the file, and the fewest images and steps."""

from __future__ import annotations

import pytest

from gdfq_export.jobs.least_time import StepSeconds, least_seconds, measuring_seconds
from gdfq_export.jobs.time_budget import fresh_seconds, too_short
from gdfq_export.recipe import Data, Recipe, Refinement, Verify
from gdfq_export.support.clocks.budget_clock import BudgetClock

RECIPE = Recipe(name="mine", verify=Verify(agreement_images=32, parity_images=16, latency_seconds=3))


def test_measuring_grows_with_images_and_with_the_network() -> None:
    fast, slow = StepSeconds(image=0.001), StepSeconds(image=0.1)
    assert measuring_seconds(RECIPE, fast) == pytest.approx(8 + 6 + 0.001 * (64 + 48 + 32))
    assert measuring_seconds(RECIPE, slow) == pytest.approx(8 + 6 + 0.1 * (64 + 48 + 32))
    assert measuring_seconds(RECIPE, slow, labelled=1000) == pytest.approx(measuring_seconds(RECIPE, slow) + 200)


def test_a_latency_that_is_not_measured_takes_no_time() -> None:
    none = RECIPE.model_copy(update={"verify": RECIPE.verify.model_copy(update={"latency_seconds": 0.0})})
    assert measuring_seconds(none, StepSeconds()) == 8


def test_the_least_has_the_fewest_images_and_steps() -> None:
    steps = StepSeconds(generator=0.5, refinement=100.0, image=0.01)
    few = Verify(agreement_images=8, parity_images=8, latency_seconds=3)
    measuring = measuring_seconds(RECIPE.model_copy(update={"verify": few}), steps)
    assert least_seconds(RECIPE, steps) == pytest.approx(30 + 16 * 64 * 0.01 + measuring)


def test_a_budget_below_the_least_is_told_before_anything_is_done() -> None:
    steps = StepSeconds(image=0.1)
    needed = least_seconds(RECIPE, steps)
    clock = BudgetClock(60, lambda: 105.0, started=100.0)
    (told,) = too_short(RECIPE, clock, steps)
    assert "a budget of 60 s is too short" in told and f"about {5 + needed:.0f} s" in told
    assert too_short(RECIPE, BudgetClock(needed + 5, lambda: 105.0, started=100.0), steps) == ()


def test_only_refined_fresh_images_take_time() -> None:
    refined = RECIPE.model_copy(update={"data": Data(method="refined", refinement=Refinement(steps=10, batch=16))})
    assert fresh_seconds(refined, StepSeconds(refinement=2.0)) == 32 * 10 * 2.0 / 16
    assert fresh_seconds(refined, StepSeconds(refinement=2.0, generator=0.1)) == 0
    assert fresh_seconds(refined, StepSeconds()) == 0
