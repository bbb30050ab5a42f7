"""Proportions with their uncertainty, single and paired.

Wilson's score interval (Wilson 1927) for one proportion; Agresti and Min's adjusted Wald interval (Statistics in
Medicine 24, 2005) for the difference of two proportions on the same images: half a count is added to each cell of
McNemar's table, which keeps the interval honest when the two never, or almost never, disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot, sqrt

import numpy as np
from numpy.typing import NDArray

Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True, kw_only=True)
class Proportion:
    """`count` of `images`, with the 95 % Wilson interval `[low, high]`; `value`, `low`, `high` in 0..1."""

    count: int
    images: int
    value: float
    low: float
    high: float


def wilson_interval(count: int, total: int, z: float = Z95) -> tuple[float, float]:
    """Wilson's interval for `count` successes of `total`; `(0.0, 1.0)` where nothing was tried."""
    if total == 0:
        return 0.0, 1.0
    share = count / total
    spread = z * z / total
    centre = (share + spread / 2) / (1 + spread)
    half = z * sqrt(share * (1 - share) / total + spread / (4 * total)) / (1 + spread)
    low = 0.0 if count == 0 else max(0.0, centre - half)
    high = 1.0 if count == total else min(1.0, centre + half)
    return low, high


def proportion(count: int, images: int) -> Proportion:
    """`count` of `images` (at least one) with its interval."""
    low, high = wilson_interval(count, images)
    return Proportion(count=count, images=images, value=count / images, low=low, high=high)


def paired_difference_interval(first_only: int, second_only: int, total: int, z: float = Z95) -> tuple[float, float]:
    """Interval for `(first_only - second_only) / total`.

    `first_only` counts the images only the first network gets right, `second_only` those only the second does.
    """
    first, second, adjusted = first_only + 0.5, second_only + 0.5, total + 2.0
    difference = (first - second) / adjusted
    half = z * sqrt(first + second - (first - second) ** 2 / adjusted) / adjusted
    return max(-1.0, difference - half), min(1.0, difference + half)


def unpaired_difference_interval(first: Proportion, second: Proportion) -> tuple[float, float]:
    """Newcombe's hybrid score interval (Statistics in Medicine 17, 1998, method 10) for `first.value - second.value`.

    For proportions of separate images; of the same images it is wider than need be.
    """
    difference = first.value - second.value
    below = hypot(first.value - first.low, second.high - second.value)
    above = hypot(first.high - first.value, second.value - second.low)
    return max(-1.0, difference - below), min(1.0, difference + above)


def mean_interval(values: NDArray[np.float64], z: float = Z95) -> tuple[float, float]:
    """Normal interval for the mean of values `[N]` of separate images; the value itself where N is 1."""
    mean = float(values.mean())
    half = 0.0 if len(values) < 2 else z * float(values.std(ddof=1)) / sqrt(len(values))
    return mean - half, mean + half
