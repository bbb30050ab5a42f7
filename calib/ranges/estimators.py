"""Range estimators: where to clip a tensor before it is rounded to a few bits.

All see a stream of tensors, hold its extremes or a histogram of 2048 bins, and answer with (low, high), low <= 0 <=
high, because zero (padding, ReLU) must be exactly representable. A tensor of zeros gives (0, 0).

The grid that they have in mind is the one ONNX's QuantizeLinear makes of a range: asymmetric, 2^bits levels, scale =
(high - low) / (2^bits - 1), zero point round(-low / scale); or, with `symmetric`, 2^bits - 1 levels, scale = high /
(2^(bits - 1) - 1), low = -high.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from calib.ranges.divergence import divergence_threshold
from calib.ranges.histogram import Extremes, StreamingHistogram

METHODS = ("minmax", "percentile", "entropy", "mse")

# Fractions of the full range that Mse tries: fine where the best clip mostly lies, down to 1/2000 for far outliers.
FRACTIONS = np.unique(np.concatenate([np.linspace(0.01, 1.0, 199), np.geomspace(0.0005, 0.01, 20)]))[::-1]
MAX_ROUNDS = 8


class RangeEstimator(Protocol):
    """Sees tensors, then answers with a range."""

    def observe(self, tensor: Tensor) -> None:
        """Take every element of `tensor`, of any shape, into account."""
        ...

    def range(self) -> tuple[float, float]:
        """Give (low, high) in the tensor's own units, low <= 0 <= high."""
        ...


class MinMax:
    """The exact smallest and largest value; the base of the other estimators, which narrow it."""

    def __init__(self, *, symmetric: bool = False, low_is_zero: bool = False) -> None:
        if symmetric and low_is_zero:
            raise ValueError("a range cannot be symmetric and start at zero: choose one")
        self._symmetric = symmetric
        self._low_is_zero = low_is_zero
        self._seen = Extremes()

    def observe(self, tensor: Tensor) -> None:
        """See the elements of `tensor`, of any shape.

        Raises:
            ValueError: an element is NaN or infinite.
        """
        self._seen.observe(tensor)

    def merge(self, other: MinMax) -> None:
        """See what another estimator of the same kind has seen."""
        self._seen.merge(other._seen)

    def range(self) -> tuple[float, float]:
        """Give (low, high), low <= 0 <= high.

        Raises:
            ValueError: nothing has been observed.
        """
        if self._seen.empty:
            raise ValueError("no range without data: observe a tensor first")
        return self._narrow(*self._widest())

    def _widest(self) -> tuple[float, float]:
        """Give the range that clips nothing."""
        low, high = min(0.0, self._seen.low), max(0.0, self._seen.high)
        if self._symmetric:
            largest = max(-low, high)
            return -largest, largest
        return (0.0 if self._low_is_zero else low), high

    def _narrow(self, low: float, high: float) -> tuple[float, float]:
        return low, high


class _Narrowed(MinMax):
    """Base of the estimators that narrow the range by what a histogram holds."""

    def __init__(self, *, symmetric: bool = False, low_is_zero: bool = False) -> None:
        super().__init__(symmetric=symmetric, low_is_zero=low_is_zero)
        self._seen = self._histogram = StreamingHistogram()


class Percentile(_Narrowed):
    """Leave out the most extreme values on each side.

    `percentile` = 99.99 clips one in ten thousand above, and as many below.
    On a symmetric range it counts magnitudes.
    """

    def __init__(self, *, percentile: float, symmetric: bool = False, low_is_zero: bool = False) -> None:
        super().__init__(symmetric=symmetric, low_is_zero=low_is_zero)
        if not 50.0 < percentile <= 100.0:
            raise ValueError(f"percentile is {percentile}; give more than 50 and at most 100")
        self._percentile = percentile

    def _narrow(self, low: float, high: float) -> tuple[float, float]:
        values, counts = self._histogram.centres()
        if self._percentile == 100.0:
            return low, high
        if self._symmetric:
            order = np.argsort(np.abs(values), kind="stable")
            largest = min(high, self._quantile(np.abs(values)[order], counts[order], self._percentile))
            return -largest, largest
        above = self._quantile(values, counts, self._percentile)
        below = self._quantile(values, counts, 100.0 - self._percentile)
        return min(0.0, max(low, below)), max(0.0, min(high, above))

    @staticmethod
    def _quantile(values: NDArray[np.float64], counts: NDArray[np.float64], percent: float) -> float:
        cumulated = np.cumsum(counts)
        return float(values[min(np.searchsorted(cumulated, percent / 100.0 * cumulated[-1]), len(values) - 1)])


class Entropy(_Narrowed):
    """Clip magnitudes where the quantized distribution diverges least from the seen one, as in TensorRT."""

    def __init__(self, *, bits: int, symmetric: bool = False, low_is_zero: bool = False) -> None:
        super().__init__(symmetric=symmetric, low_is_zero=low_is_zero)
        self._bits = _checked(bits)

    def _narrow(self, low: float, high: float) -> tuple[float, float]:
        levels = 2**self._bits if low == 0.0 else 2 ** (self._bits - 1)
        threshold = divergence_threshold(self._histogram, levels)
        return max(low, -threshold), min(high, threshold)


class Mse(_Narrowed):
    """Clip where the expected squared error of rounding and clipping together is least.

    Both ends shrink together first, then each alone in turn until neither moves, so the result is never worse than
    `MinMax` on the histogram. Errors of negative values count `negative_slope` squared: what a leaky rectifier behind
    the quantizer lets through of them.
    """

    def __init__(
        self, *, bits: int, symmetric: bool = False, low_is_zero: bool = False, negative_slope: float = 1.0
    ) -> None:
        super().__init__(symmetric=symmetric, low_is_zero=low_is_zero)
        self._bits = _checked(bits)
        self._negative_slope = negative_slope

    def _narrow(self, low: float, high: float) -> tuple[float, float]:
        values, counts = self._histogram.centres()
        if low == high:
            return low, high
        lows, highs = low * FRACTIONS, high * FRACTIONS
        best = self._best(values, counts, lows, highs)
        if self._symmetric or low == 0.0 or high == 0.0:
            return best
        for _ in range(MAX_ROUNDS):
            before = best
            best = self._best(values, counts, np.append(best[0], lows), np.full(len(lows) + 1, best[1]))
            best = self._best(values, counts, np.full(len(highs) + 1, best[0]), np.append(best[1], highs))
            if best == before:
                break
        return best

    def _best(
        self,
        values: NDArray[np.float64],
        counts: NDArray[np.float64],
        lows: NDArray[np.float64],
        highs: NDArray[np.float64],
    ) -> tuple[float, float]:
        """Choose the pair (lows[i], highs[i]) of least error; the first of equals."""
        rounded = quantize_values(values, lows[:, None], highs[:, None], self._bits, self._symmetric)
        weights = np.where(values < 0, self._negative_slope**2, 1.0)
        errors = np.square(rounded - values) @ (counts * weights)
        chosen = int(np.argmin(errors))
        return float(lows[chosen]), float(highs[chosen])


def quantize_values(
    values: NDArray[np.float64],
    low: NDArray[np.float64] | float,
    high: NDArray[np.float64] | float,
    bits: int,
    symmetric: bool = False,
) -> NDArray[np.float64]:
    """Round `values` to the uniform grid of the range (low, high), which must not be empty; arrays broadcast."""
    if symmetric:
        bottom, top = -(2 ** (bits - 1) - 1), 2 ** (bits - 1) - 1
        scale = np.asarray(high) / top
        zero_point: NDArray[np.float64] | float = 0.0
    else:
        bottom, top = 0, 2**bits - 1
        scale = (np.asarray(high) - low) / top
        zero_point = np.rint(-np.asarray(low) / scale)
    quantized = np.clip(np.rint(values / scale) + zero_point, bottom, top)
    return np.asarray((quantized - zero_point) * scale)


def make_range_estimator(
    method: str,
    *,
    bits: int = 8,
    percentile: float = 99.99,
    symmetric: bool = False,
    low_is_zero: bool = False,
    negative_slope: float = 1.0,
) -> MinMax:
    """Make the estimator called `method`: minmax, percentile, entropy or mse.

    Args:
        method: one of METHODS.
        bits: of the integers that the range is for; minmax and percentile do not use it.
        percentile: more than 50 and at most 100; only percentile uses it.
        symmetric: the range is to be (-a, a), for signed weights.
        low_is_zero: the range is to start at 0, for what a ReLU follows.
        negative_slope: slope on negative values of what reads the tensor; only mse uses it.

    Returns:
        The estimator, which has seen nothing yet.

    Raises:
        ValueError: an unknown method, or an argument out of its range.

    Example:
        >>> import torch
        >>> from calib import make_range_estimator
        >>> estimator = make_range_estimator("minmax")
        >>> estimator.observe(torch.tensor([-1.0, 0.5, 2.0]))
        >>> estimator.range()
        (-1.0, 2.0)
    """
    if method == "minmax":
        return MinMax(symmetric=symmetric, low_is_zero=low_is_zero)
    if method == "percentile":
        return Percentile(percentile=percentile, symmetric=symmetric, low_is_zero=low_is_zero)
    if method == "entropy":
        return Entropy(bits=bits, symmetric=symmetric, low_is_zero=low_is_zero)
    if method == "mse":
        return Mse(bits=bits, symmetric=symmetric, low_is_zero=low_is_zero, negative_slope=negative_slope)
    raise ValueError(f"unknown range estimator {method!r}: give one of {', '.join(METHODS)}")


def _checked(bits: int) -> int:
    if not 2 <= bits <= 16:
        raise ValueError(f"bits is {bits}; give 2 to 16")
    return bits
