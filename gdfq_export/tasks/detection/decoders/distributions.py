"""The side of a box as a distribution over whole distances (Generalized Focal Loss, Li et al., arXiv 2006.04388)."""

from __future__ import annotations

import numpy as np

from gdfq_export.tasks.detection.decoders.cells import cell_centres
from gdfq_export.tasks.detection.decoders.decoder import ImageSize
from gdfq_export.tasks.detection.detections import Array


def expected_distances(logits: Array) -> Array:
    """The mean of each distribution: [..., 4 * B] to [..., 4], in strides.

    >>> expected_distances(np.log(np.array([1.0, 3.0] * 4)))
    array([0.75, 0.75, 0.75, 0.75])
    """
    split = logits.reshape(*logits.shape[:-1], 4, -1)
    shares = np.exp(split - split.max(axis=-1, keepdims=True))
    mean: Array = (shares * np.arange(split.shape[-1])).sum(axis=-1) / shares.sum(axis=-1)
    return mean


def boxes_around_cells(logits: Array, size: ImageSize, stride: int) -> Array:
    """Corners [N, A, 4] in pixels, of distributions [N, A, 4 * B] of the distances left, top, right, bottom."""
    distances = expected_distances(logits) * stride
    centres = cell_centres(size, stride)
    return np.concatenate([centres - distances[..., :2], centres + distances[..., 2:]], axis=-1)
