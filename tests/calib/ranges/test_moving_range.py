from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from calib import MovingRange

BATCHES = st.lists(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=4), min_size=1, max_size=20)


@given(BATCHES)
def test_it_is_the_average_of_the_extremes_weighted_by_age(batches: list[list[float]]) -> None:
    average = MovingRange()
    for batch in batches:
        average.observe(torch.tensor(batch))
    weights = [0.9**age for age in reversed(range(len(batches)))]
    low, high = (
        sum(weight * extreme(batch) for weight, batch in zip(weights, batches, strict=True)) / sum(weights)
        for extreme in (min, max)
    )
    assert average.range() == pytest.approx((min(0.0, low), max(0.0, high)), abs=1e-4)


def test_the_first_batches_do_not_explode() -> None:
    average = MovingRange()
    for _ in range(5):
        average.observe(torch.tensor([[-1.0, 0.5], [2.0, 0.0]]))
        assert average.range() == pytest.approx((-1.0, 2.0))


def test_nothing_and_what_is_not_finite_have_no_range() -> None:
    average = MovingRange()
    with pytest.raises(ValueError, match="observe a tensor first"):
        average.range()
    for wrong in (float("nan"), float("inf"), float("-inf")):
        with pytest.raises(ValueError, match="NaN or infinite"):
            average.observe(torch.tensor([0.0, wrong]))
