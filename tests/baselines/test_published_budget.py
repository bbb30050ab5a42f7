"""How many published steps fit into a time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gdfq_export.baselines.published_budget import published_seconds, steps_within
from gdfq_export.recipe import PublishedFineTune

SECONDS = st.floats(0.01, 10)
SHARE = st.floats(0, 1)


@given(budget=st.floats(0.1, 1e4), generator=SECONDS, more=st.floats(0, 10), warmup=SHARE, followed=SHARE)
def test_steps_fill_the_budget_and_stay_in_it(
    budget: float, generator: float, more: float, warmup: float, followed: float
) -> None:
    settings = PublishedFineTune(warmup=warmup, followed=followed)
    full = generator + more
    steps = steps_within(budget, generator, full, settings)
    assert steps == 1 or published_seconds(steps, generator, full, settings) <= budget
    assert published_seconds(steps + 1, generator, full, settings) > budget


def test_warm_up_costs_the_generator_alone() -> None:
    settings = PublishedFineTune(warmup=0.5, followed=0.1)
    assert published_seconds(1000, 1.0, 3.0, settings) == 100 * 3.0 + 400 * 1.0 + 500 * 3.0
