"""Statistics on made-up times and a made-up clock; no test here depends on how fast the machine is."""

from __future__ import annotations

from collections.abc import Callable
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdfq_export.metrics.latency import interleave, median_interval, summarize, versus


class Clock:
    """Time that passes only when a run says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self.log: list[str] = []

    def __call__(self) -> float:
        return self.now

    def timer(self, name: str, seconds: float) -> Callable[[], float]:
        def step() -> float:
            self.log.append(name)
            self.now += seconds
            return 1000 * seconds

        return step


def test_rounds_alternate_and_turn_round() -> None:
    clock = Clock()
    samples = interleave({"a": clock.timer("a", 0.004), "b": clock.timer("b", 0.002)}, budget_seconds=0.1, clock=clock)
    assert (samples["a"].shape, samples["b"].shape) == ((20, 5), (20, 10))  # 20 rounds at least, blocks of 20 ms
    assert samples["a"] == pytest.approx(4.0)
    measured = clock.log[-300:]
    assert measured[:30] == ["a"] * 5 + ["b"] * 20 + ["a"] * 5
    assert set(clock.log[:-300]) == {"a", "b"}  # warm-up


def test_one_that_is_quick_only_when_warm_is_timed_warm_beside_a_slow_one() -> None:
    """The slow one takes the caches; a block that is as long in time has the quick one out of that after a few runs."""
    clock = Clock()
    cold = 0

    def slow() -> float:
        nonlocal cold
        clock.now, cold = clock.now + 0.1, 3
        return 100.0

    def quick() -> float:
        nonlocal cold
        milliseconds = 2.0 if cold else 1.0
        clock.now, cold = clock.now + milliseconds / 1000, max(0, cold - 1)
        return milliseconds

    samples = interleave({"slow": slow, "quick": quick}, budget_seconds=0.1, clock=clock)
    assert samples["slow"].shape == (20, 3) and samples["quick"].shape == (20, 20)
    assert versus(samples["slow"], samples["quick"]).value == pytest.approx(100.0)


def test_the_budget_is_spent() -> None:
    clock = Clock()
    samples = interleave({"a": clock.timer("a", 0.01)}, budget_seconds=3.0, clock=clock)
    assert samples["a"].sum() == pytest.approx(3000.0, abs=40.0)


@given(st.floats(0.5, 4.0), st.integers(0, 1000))
def test_drift_that_hits_both_leaves_the_ratio(speedup: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    drift = np.exp(np.cumsum(random.normal(0, 0.1, 60)))[:, None]
    fast = drift * random.uniform(1.0, 1.02, (60, 5))
    slow = speedup * drift * random.uniform(1.0, 1.02, (60, 5))
    ratio = versus(slow, fast)
    assert ratio.low <= ratio.value <= ratio.high
    assert ratio.value == pytest.approx(speedup, rel=0.02)
    assert ratio.high - ratio.low < 0.05 * speedup
    assert ratio.rounds == 60


def test_the_interval_covers_a_known_median_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    hits = 0
    for _ in range(1000):
        ratio = versus(np.exp(random.normal(0, 0.3, (25, 1))), np.ones((25, 1)))
        hits += ratio.low <= 1.0 <= ratio.high
    assert 0.93 <= hits / 1000 <= 0.99


@given(st.integers(6, 400))
def test_order_statistics_cover_and_are_tight(count: int) -> None:
    low, high = median_interval(count)
    assert high == count - 1 - low

    def missed(index: int) -> float:
        return 2 * sum(comb(count, below) for below in range(index + 1)) / 2**count

    assert missed(low) <= 0.05 < missed(low + 1)


def test_known_indices() -> None:
    assert median_interval(20) == (5, 14)  # the 6th and the 15th value of 20, as tabulated for the sign test
    assert median_interval(3) == (0, 2)


def test_percentiles_over_all_runs() -> None:
    timings = summarize(np.arange(1.0, 101.0).reshape(20, 5))
    assert (timings.runs, timings.p50_ms) == (100, 50.5)
    assert timings.p90_ms == pytest.approx(90.1)
    assert timings.p99_ms == pytest.approx(99.01)


def test_quantiles_run_from_the_fastest_to_the_slowest() -> None:
    timings = summarize(np.random.default_rng(0).permutation(np.arange(1.0, 102.0))[:100].reshape(20, 5))
    assert len(timings.quantiles_ms) == 21
    assert list(timings.quantiles_ms) == sorted(timings.quantiles_ms)
    assert timings.quantiles_ms[10] == timings.p50_ms and timings.quantiles_ms[18] == pytest.approx(timings.p90_ms)


def test_drift_is_the_spread_of_the_rounds_not_of_the_runs() -> None:
    quiet = np.tile([1.0, 2.0, 9.0], (40, 1))  # every round the same, whatever its runs
    assert summarize(quiet).relative_iqr == 0.0
    rounds = np.linspace(1.0, 3.0, 41)[:, None] * np.ones((1, 3))
    assert summarize(rounds).relative_iqr == pytest.approx(0.5)  # quartiles 1.5 and 2.5, median 2
