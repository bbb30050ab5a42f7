from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdfq_export.support.confidence_interval import (
    paired_difference_interval,
    proportion,
    unpaired_difference_interval,
    wilson_interval,
)


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, table I, method 3
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0000),
    ],
)
def test_wilson_gives_the_published_intervals(count: int, total: int, low: float, high: float) -> None:
    assert wilson_interval(count, total) == pytest.approx((low, high), abs=6e-5)


def test_wilson_knows_nothing_without_trials() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


@given(st.integers(1, 10_000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_wilson_encloses_the_share_and_mirrors(case: tuple[int, int]) -> None:
    count, total = case
    share = proportion(count, total)
    assert 0.0 <= share.low <= share.value <= share.high <= 1.0
    low, high = wilson_interval(total - count, total)
    assert (1 - high, 1 - low) == pytest.approx((share.low, share.high), abs=1e-9)


@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 5000))
def test_paired_interval_encloses_the_difference_and_mirrors(first: int, second: int, both: int) -> None:
    total = first + second + both
    if total == 0:
        return
    low, high = paired_difference_interval(first, second, total)
    assert low <= (first - second) / total <= high
    assert paired_difference_interval(second, first, total) == pytest.approx((-high, -low))


def test_paired_interval_by_hand() -> None:
    # 12 and 5 discordant of 4898: (12.5 - 5.5) / 4900 -+ 1.96 sqrt(18 - 49 / 4900) / 4900
    assert paired_difference_interval(12, 5, 4898) == pytest.approx((-0.000268, 0.003125), abs=2e-6)


def test_no_disagreement_is_not_certainty() -> None:
    low, high = paired_difference_interval(0, 0, 100)
    assert low == -high < 0


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),  # Newcombe 1998, table II, method 10
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((10, 10), (0, 10), 0.6075, 1.0000),
    ],
)
def test_newcombe_gives_the_published_differences(
    first: tuple[int, int], second: tuple[int, int], low: float, high: float
) -> None:
    found = unpaired_difference_interval(proportion(*first), proportion(*second))
    assert found == pytest.approx((low, high), abs=6e-5)
