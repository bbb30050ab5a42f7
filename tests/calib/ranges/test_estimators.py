from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from calib import RangeEstimator, make_range_estimator
from calib.ranges.estimators import METHODS, quantize_values

VALUES = arrays.arrays(np.float32, st.integers(1, 80), elements=st.floats(-1000, 1000, width=32, allow_subnormal=False))
BITS = st.integers(2, 8)


def estimator_of(method: str, *batches: np.ndarray, bits: int = 8, **options: bool) -> RangeEstimator:
    estimator = make_range_estimator(method, bits=bits, percentile=99.0, **options)
    for batch in batches:
        estimator.observe(torch.from_numpy(np.array(batch, dtype=np.float32, order="C")))
    return estimator


def error_of(values: np.ndarray, bounds: tuple[float, float], bits: int, symmetric: bool = False) -> float:
    values = values.astype(np.float64)
    if bounds[0] == bounds[1]:
        return float(np.square(values).mean())
    return float(np.square(quantize_values(values, *bounds, bits, symmetric) - values).mean())


@pytest.mark.parametrize("method", METHODS)
@given(values=VALUES, bits=BITS)
def test_range_holds_zero_and_stays_inside_what_was_seen(method: str, values: np.ndarray, bits: int) -> None:
    low, high = estimator_of(method, values, bits=bits).range()
    assert min(0.0, float(values.min())) <= low <= 0.0 <= high <= max(0.0, float(values.max()))


@pytest.mark.parametrize("method", METHODS)
@given(values=VALUES, cut=st.integers(0, 80), symmetric=st.booleans())
def test_batches_and_order_do_not_matter(method: str, values: np.ndarray, cut: int, symmetric: bool) -> None:
    whole = estimator_of(method, values, symmetric=symmetric).range()
    assert estimator_of(method, values[cut:], values[:cut][::-1], symmetric=symmetric).range() == whole


@pytest.mark.parametrize("method", METHODS)
@given(values=VALUES, bits=BITS)
def test_symmetric_and_zero_based_ranges(method: str, values: np.ndarray, bits: int) -> None:
    low, high = estimator_of(method, values, bits=bits, symmetric=True).range()
    assert low == -high and 0 <= high <= np.abs(values).max()
    low, high = estimator_of(method, values, bits=bits, low_is_zero=True).range()
    assert low == 0.0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("constant", [0.0, 3.0, -3.0, 1e-20, 1e30])
def test_constant_tensors(method: str, constant: float) -> None:
    values = np.full(100, constant, np.float32)
    low, high = estimator_of(method, values).range()
    assert (low, high) == (min(0.0, float(values[0])), max(0.0, float(values[0])))


@given(values=VALUES, bits=BITS, symmetric=st.booleans())
def test_mse_is_no_worse_than_minmax(values: np.ndarray, bits: int, symmetric: bool) -> None:
    best = estimator_of("mse", values, bits=bits, symmetric=symmetric)
    widest = estimator_of("minmax", values, bits=bits, symmetric=symmetric).range()
    error, reference = (error_of(values, bounds, bits, symmetric) for bounds in (best.range(), widest))
    bin_width = (values.max() - values.min()) / 1023
    assert np.sqrt(error) <= np.sqrt(reference) + 2 * bin_width + 1e-6 * np.abs(values).max()


@pytest.mark.parametrize(("bits", "gain"), [(8, 1.02), (4, 1.5), (3, 1.5)])
def test_mse_beats_minmax_on_a_heavy_tail(bits: int, gain: float) -> None:
    values = np.random.default_rng(0).standard_t(4, size=20_000)
    ranges = [estimator_of(method, values, bits=bits).range() for method in ("minmax", "mse")]
    widest, best = (error_of(values, bounds, bits) for bounds in ranges)
    assert best * gain < widest


def test_mse_finds_the_known_optimum_of_a_gaussian() -> None:
    # Optimal clipping of a normal distribution at 4 bits lies at 2.5 standard deviations (Banner et al. 2019: 2.55).
    values = np.random.default_rng(0).normal(size=200_000)
    low, high = estimator_of("mse", values, bits=4).range()
    assert 2.3 < high < 2.9 and 2.3 < -low < 2.9


def test_percentile_clips_each_side() -> None:
    values = np.arange(-100, 101, dtype=np.float32)
    low, high = estimator_of("percentile", values).range()
    assert low == pytest.approx(-98, abs=1.5) and high == pytest.approx(98, abs=1.5)
    assert estimator_of("minmax", values).range() == (-100.0, 100.0)


def test_entropy_cuts_far_outliers_and_keeps_a_uniform_distribution() -> None:
    random = np.random.default_rng(0)
    body = np.abs(random.normal(size=50_000))
    low, high = estimator_of("entropy", body, np.array([40.0])).range()
    assert low == 0.0 and 2.0 < high < 12.0
    assert estimator_of("entropy", random.uniform(0, 1, 50_000)).range()[1] > 0.9


def test_zeros_after_a_relu_do_not_move_the_entropy_range() -> None:
    body = np.abs(np.random.default_rng(0).normal(size=50_000))
    alone = estimator_of("entropy", body).range()
    assert estimator_of("entropy", body, np.zeros(500_000)).range()[1] == pytest.approx(alone[1], rel=0.2)


def test_misuse_is_said() -> None:
    with pytest.raises(ValueError, match="observe a tensor first"):
        estimator_of("mse").range()
    with pytest.raises(ValueError, match="unknown range estimator 'max': give one of minmax"):
        make_range_estimator("max", bits=8, percentile=99.0)
    with pytest.raises(ValueError, match="percentile is 40"):
        make_range_estimator("percentile", bits=8, percentile=40.0)
    with pytest.raises(ValueError, match="bits is 1"):
        make_range_estimator("mse", bits=1, percentile=99.0)
    with pytest.raises(ValueError, match="choose one"):
        make_range_estimator("minmax", bits=8, percentile=99.0, symmetric=True, low_is_zero=True)
