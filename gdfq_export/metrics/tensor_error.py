"""Error statistics of one tensor of two networks, accumulated batch by batch.

    SNR = 10 log10( E[x^2] / E[(x - y)^2] )    in dB, over all images and elements

Also the SNR after each channel of y is rescaled to fit x best: the error that is left where equalization has rescaled
the channels of one of the networks. Channels lie along the second axis or, behind a LayerNorm or a Transpose, along the
last: the axis of which more error is explained is taken. An axis whose size depends on the batch has no channels.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gdfq_export.metrics.histogram import Histogram
from gdfq_export.qdq.reader.activations import QuantizedActivation
from gdfq_export.runtimes.base import Array

MOST_DB = 200.0
"""SNR of a tensor without any error; its negative is the least."""

_BINS = 48


class TensorError:
    """Sums over batches; `point` dequantizes the integers of a quantized tensor, None for a float one."""

    def __init__(self, point: QuantizedActivation | None) -> None:
        self.point = point
        self.low, self.high = math.inf, -math.inf
        self.out_of_range = self.elements = self.per_image = 0
        self._codes = np.zeros(256, bool)
        self._edges = (0.0, 1.0)
        self._counts: NDArray[np.int64] = np.zeros(_BINS, np.int64)
        self._error = 0.0
        self._xx = self._xy = self._yy = 0.0
        self._by_channel: dict[int, NDArray[np.float64]] = {}  # sums of xx, xy and yy, [3, channels], by axis

    def add(self, floats: Array, found: Array) -> None:
        """Add images: `floats` `[N, ...]` of the float network, codes or values of the same shape of the file."""
        x, found = np.atleast_1d(floats).astype(np.float64), np.atleast_1d(found)
        low, high = float(x.min()), float(x.max())
        if not self.elements:
            self._edges = (low, high if high > low else low + 1.0)
        self.low, self.high = min(self.low, low), max(self.high, high)
        y = found.astype(np.float64) if self.point is None else self._values(x, found)
        self._error += float(np.square(x - y).sum())
        self._add_by_channel(np.stack([np.square(x), x * y, np.square(y)]))
        self.elements += x.size
        self.per_image = x.size // len(x)
        self._counts += np.histogram(np.clip(x, *self._edges), bins=_BINS, range=self._edges)[0]

    def _add_by_channel(self, products: NDArray[np.float64]) -> None:
        """Add xx, xy and yy, `[3, *shape]`."""
        xx, xy, yy = (float(each.sum()) for each in products)
        self._xx, self._xy, self._yy = self._xx + xx, self._xy + xy, self._yy + yy
        rank = products.ndim - 1
        for axis in {1, rank - 1} if rank > 1 else ():
            sums = products.sum(tuple(other for other in range(1, rank + 1) if other != axis + 1))
            if not self.elements:
                self._by_channel[axis] = sums
            elif axis in self._by_channel and self._by_channel[axis].shape == sums.shape:
                self._by_channel[axis] += sums
            else:
                self._by_channel.pop(axis, None)

    def _values(self, x: NDArray[np.float64], codes: Array) -> NDArray[np.float64]:
        assert self.point is not None
        params, codes = self.point.params, codes.astype(np.int32)
        self._codes |= np.bincount((codes - params.storage_range[0]).ravel(), minlength=256).astype(bool)[:256]
        (low, high), half = params.bounds, params.step / 2
        self.out_of_range += int(((x < low - half) | (x > high + half)).sum())
        return params.dequantize(codes).astype(np.float64)

    @property
    def codes_used(self) -> int:
        """Number of quantization levels that occur."""
        return int(self._codes.sum())

    @property
    def rounding(self) -> float:
        """Noise / signal power of rounding to the nearest level alone: step ** 2 / 12."""
        if self.point is None:
            return 0.0
        return self.point.params.step**2 / 12 * self.elements / max(self._xx, 1e-30)

    @property
    def codes_needed(self) -> float:
        """Number of quantization levels that the float network's values span."""
        if self.point is None:
            return math.inf
        low, high = self.point.params.bounds
        return (min(self.high, high) - max(self.low, low)) / self.point.params.step + 1

    @property
    def magnification(self) -> float:
        """Least-squares factor of the file's values to the float network's."""
        return self._xy / max(self._xx, 1e-30)

    @property
    def magnified_snr_db(self) -> float:
        """SNR of the file's values against the float ones times `magnification`."""
        xx, xy, yy = self._xx, self._xy, self._yy
        if xy <= 0:
            return -MOST_DB
        return _decibels(xy * xy / max(xx, 1e-30), yy - xy * xy / max(xx, 1e-30))

    @property
    def snr_db(self) -> float:
        """Signal power / error power, in dB."""
        return _decibels(self._xx, self._error)

    @property
    def rescaled_snr_db(self) -> float:
        """The same after each channel of the file's tensor is rescaled by its best factor, at least 0."""
        left = [
            self._left(sums) for sums in (*self._by_channel.values(), np.array([[self._xx], [self._xy], [self._yy]]))
        ]
        return _decibels(self._xx, min(left))

    @staticmethod
    def _left(sums: NDArray[np.float64]) -> float:
        """Error that is left where each channel has its best factor, of sums [3, channels]."""
        xx, xy, yy = sums
        explained = np.square(np.maximum(xy, 0)) / np.where(yy > 0, yy, 1.0)
        return float(np.maximum(xx - explained, 0).sum())

    @property
    def histogram(self) -> Histogram:
        """Of the float network's values, between the ends of the first batch."""
        return Histogram(low=self._edges[0], high=self._edges[1], counts=tuple(map(int, self._counts)))


def _decibels(signal: float, error: float) -> float:
    if error <= 0:
        return MOST_DB
    return max(-MOST_DB, min(MOST_DB, 10 * math.log10(max(signal, 1e-30) / error)))
