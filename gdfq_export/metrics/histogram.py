"""Histograms of values and of integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Counts of values in bins of equal width from `low` to `high`; values outside count in the outer bins."""

    low: float
    high: float
    counts: tuple[int, ...]


def code_histogram(codes: NDArray[np.int32], most_bins: int) -> Histogram:
    """Histogram of integers; every bin covers the same number of integers."""
    low, high = int(codes.min()), int(codes.max())
    width = -(-(high - low + 1) // most_bins)
    bins = -(-(high - low + 1) // width)
    counts = np.bincount((codes.ravel() - low) // width, minlength=bins)
    return Histogram(low=low - 0.5, high=low - 0.5 + bins * width, counts=tuple(map(int, counts)))
