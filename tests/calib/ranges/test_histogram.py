from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from calib.ranges.histogram import BINS, StreamingHistogram

FLOATS = arrays.arrays(
    np.float32, st.integers(1, 60), elements=st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False)
)


def histogram_of(*batches: np.ndarray) -> StreamingHistogram:
    histogram = StreamingHistogram()
    for batch in batches:
        histogram.observe(torch.from_numpy(batch.copy()))
    return histogram


@given(values=FLOATS, cut=st.integers(0, 60))
def test_neither_order_nor_batches_matter(values: np.ndarray, cut: int) -> None:
    whole, parts = histogram_of(values), histogram_of(values[cut:][::-1], values[:cut])
    assert (whole.low, whole.high, whole.width) == (parts.low, parts.high, parts.width)
    for one, other in zip(whole.bins(), parts.bins(), strict=True):
        np.testing.assert_array_equal(one, other)


@given(values=FLOATS)
def test_every_value_lies_in_a_bin_and_extremes_are_exact(values: np.ndarray) -> None:
    histogram = histogram_of(values)
    indices, counts = histogram.bins()
    assert counts.sum() == len(values) and indices.max() - indices.min() < BINS
    assert histogram.low == values.min() and histogram.high == values.max()
    expected = np.unique(np.floor(values.astype(np.float64) / histogram.width).astype(np.int64))
    np.testing.assert_array_equal(indices, expected)


def test_bins_are_fine_enough() -> None:
    values = np.random.default_rng(0).normal(size=5000).astype(np.float32)
    histogram = histogram_of(values)
    assert histogram.width <= (values.max() - values.min()) / (BINS / 2 - 1)


def test_empty_and_bad_values() -> None:
    histogram = histogram_of(np.zeros((0, 3), np.float32))
    assert histogram.empty
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="NaN or infinite"):
            histogram_of(np.array([1.0, bad], np.float32))
