"""Intersection over union of masks, pooled over images.

    IoU of class c = sum over images |A and B| / sum over images |A or B|,    mIoU = mean over the classes that occur

(Everingham et al., The Pascal Visual Object Classes Challenge, IJCV 2010.) Intervals come from drawing images again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gdfq_export.support.bootstrap import bootstrap_interval

Masks = NDArray[np.int64]
"""The class of each pixel, `[N, H, W]`."""

IGNORED = -1
"""The class of pixels that do not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Pixels of each image and class in both masks, and in at least one of them, float64 `[N, classes]`."""

    both: NDArray[np.float64]
    either: NDArray[np.float64]

    def mean_iou(self, weights: NDArray[np.float64]) -> float:
        """The mean over classes that occur, images weighted by `weights` [N]; 1 where none occurs."""
        both, either = weights @ self.both, weights @ self.either
        occurs = either > 0
        return float((both[occurs] / either[occurs]).mean()) if occurs.any() else 1.0


def overlap(first: Masks, second: Masks, classes: NDArray[np.int64]) -> Overlap:
    """Count the pixels of two sets of masks for the classes `[K]`; pixels that `second` ignores do not count."""
    both, either = (np.zeros((len(first), len(classes))) for _ in range(2))
    for image, (a, b) in enumerate(zip(first, second, strict=True)):
        counts = b != IGNORED
        for column, number in enumerate(classes):
            here, there = (a == number) & counts, b == number
            both[image, column] = (here & there).sum()
            either[image, column] = (here | there).sum()
    return Overlap(both=both, either=either)


def iou_interval(found: Overlap) -> tuple[float, float, float]:
    """The mean IoU and the ends of its interval over images."""
    value = found.mean_iou(np.ones(len(found.both)))
    return value, *bootstrap_interval(found.mean_iou, len(found.both))


def drop_interval(float_network: Overlap, quantized: Overlap) -> tuple[float, float, float]:
    """How much the mean IoU falls, paired by image, and the ends of its interval: percentage points."""

    def drop(weights: NDArray[np.float64]) -> float:
        return 100 * (float_network.mean_iou(weights) - quantized.mean_iou(weights))

    images = len(quantized.both)
    return drop(np.ones(images)), *bootstrap_interval(drop, images)
