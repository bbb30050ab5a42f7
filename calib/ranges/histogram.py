"""A histogram of a stream in constant memory that does not depend on the order of the stream.

Bins are [k * w, (k + 1) * w) for whole k, with w the smallest power of two that lets at most 2048 of them cover
everything seen. When the stream outgrows the bins, w doubles and neighbours merge; halving an index rounds down
exactly, so the counts are those that the final w would have given from the start, in any order and any split into
batches.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BINS = 2048
FINEST = 2.0**-100
RELATIVE_FINEST = 2.0**-22


class Extremes:
    """The exact smallest and largest value of a stream."""

    def __init__(self) -> None:
        self.low = float("inf")
        self.high = float("-inf")

    @property
    def empty(self) -> bool:
        """Tell whether nothing has been observed."""
        return self.low > self.high

    def observe(self, values: Tensor) -> None:
        """See every element; a tensor without elements changes nothing.

        Raises:
            ValueError: an element is NaN or infinite.
        """
        if not values.numel():
            return
        smallest, largest = (extreme.item() for extreme in torch.aminmax(values.detach().float()))
        if not np.isfinite(smallest) or not np.isfinite(largest):
            raise ValueError("a NaN or infinite value was observed: no range can be estimated")
        self.low, self.high = min(self.low, smallest), max(self.high, largest)

    def merge(self, other: Extremes) -> None:
        """See what another has seen, of the same class."""
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)


class StreamingHistogram(Extremes):
    """Counts of values in equal bins aligned with zero, and the exact smallest and largest value."""

    def __init__(self) -> None:
        super().__init__()
        self.width = FINEST
        self._first = 0
        self._counts: NDArray[np.int64] = np.zeros(0, dtype=np.int64)

    def observe(self, values: Tensor) -> None:
        """Count every element; a tensor without elements changes nothing.

        Raises:
            ValueError: an element is NaN or infinite.
        """
        super().observe(values)
        if not values.numel():
            return
        flat = values.detach().reshape(-1).float()
        self._fit()
        indices = torch.floor(flat.double() / self.width).long() - self._first
        self._counts += torch.bincount(indices, minlength=len(self._counts)).cpu().numpy()

    def merge(self, other: Extremes) -> None:
        """See what another has seen, a histogram as well; the counts are those of one that saw both."""
        assert isinstance(other, StreamingHistogram)
        super().merge(other)
        if other.empty:
            return
        self._fit(max(self.width, other.width))
        indices, counts = other.bins()
        np.add.at(self._counts, self._merged(indices, other.width) - self._first, counts)

    def bins(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Give index k and count of every bin that is not empty, in ascending order."""
        filled = np.flatnonzero(self._counts)
        return filled + self._first, self._counts[filled]

    def centres(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give the middle of every bin that is not empty, moved inside what was seen, and its count."""
        indices, counts = self.bins()
        return np.clip((indices + 0.5) * self.width, self.low, self.high), counts.astype(np.float64)

    def _merged(self, indices: NDArray[np.int64], width: float) -> NDArray[np.int64]:
        """The bins of this histogram that hold those of a width not above its own."""
        return np.floor(indices / (self.width / width)).astype(np.int64)

    def _fit(self, width: float | None = None) -> None:
        """Widen the bins until they cover `low` to `high`, to `width` at least, and move what is counted into them."""
        before, held = self.width, self.bins()
        width = before if width is None else width
        largest = max(abs(self.low), abs(self.high))
        while width < largest * RELATIVE_FINEST or self.high // width - self.low // width >= BINS:
            width *= 2
        self.width, self._first = width, int(self.low // width)
        self._counts = np.zeros(int(self.high // width) - self._first + 1, dtype=np.int64)
        np.add.at(self._counts, self._merged(held[0], before) - self._first, held[1])
