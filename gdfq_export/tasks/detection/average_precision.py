"""Mean average precision as COCO defines it, with intervals from drawing images again.

The precision at a recall is the best at that or any higher recall; the average is over the recalls 0, 0.01 ... 1
(`COCOeval.accumulate`); the mean is over overlap thresholds and classes with objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gdfq_export.tasks.detection.matching import Matches

_RECALLS = np.linspace(0.0, 1.0, 101)
_DRAWS = 500
_PERCENTILES = (2.5, 97.5)

Weights = NDArray[np.int64]
"""How often each of the N images counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanPrecision:
    """A mean average precision, or a difference of two, with its 95 % interval over images."""

    value: float
    low: float
    high: float


def mean_average_precision(matches: Sequence[Matches], weights: Weights | None = None) -> float:
    """Mean over thresholds and classes, 0 to 1; NaN without any object.

    Args:
        matches: of each class.
        weights: [N]; None: every image once.
    """
    found = [_average_precision(each, weights) for each in matches]
    values = [value for value in found if not np.isnan(value)]
    return float(np.mean(values)) if values else float("nan")


def _average_precision(matches: Matches, weights: Weights | None) -> float:
    """Mean over thresholds, NaN without objects."""
    counts = np.ones_like(matches.objects) if weights is None else weights
    total = int((matches.objects * counts).sum())
    if total == 0:
        return float("nan")
    each = counts[matches.image]
    values = []
    for right, ignored in zip(matches.right, matches.ignored, strict=True):
        hits = np.cumsum(each * (right & ~ignored))
        misses = np.cumsum(each * (~right & ~ignored))
        precision = hits / np.maximum(hits + misses, 1)
        best = np.maximum.accumulate(precision[::-1])[::-1]
        first = np.searchsorted(hits / total, _RECALLS, side="left")
        values.append(np.concatenate([best, [0.0]])[np.minimum(first, len(best))].mean())
    return float(np.mean(values))


def with_interval(matches: Sequence[Matches], *, minus: Sequence[Matches] | None = None) -> MeanPrecision:
    """The mean average precision of one network, or how much more it is than that of another on the same images.

    The interval is the middle 95 % over 500 draws of as many images, with replacement (Efron's percentile bootstrap).

    Args:
        matches: of each class.
        minus: of the other network, likewise.
    """

    def figure(weights: Weights | None) -> float:
        own = mean_average_precision(matches, weights)
        return own if minus is None else own - mean_average_precision(minus, weights)

    images = len(matches[0].objects)
    random = np.random.default_rng(0)
    draws = [figure(np.bincount(random.integers(0, images, images), minlength=images)) for _ in range(_DRAWS)]
    low, high = np.nanpercentile(draws, _PERCENTILES)
    value = figure(None)
    return MeanPrecision(value=value, low=min(float(low), value), high=max(float(high), value))
