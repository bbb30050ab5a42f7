"""Detections: the objects that a detector finds in one image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Index = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Detections:
    """The objects found in one image.

    Attributes:
        boxes: float32 [M, 4], left, top, right, bottom in pixels.
        scores: float32 [M], 0 to 1.
        classes: int64 [M].
    """

    boxes: Array
    scores: Array
    classes: Index

    @classmethod
    def of(cls, boxes: Any, scores: Any, classes: Any) -> Self:
        """Take arrays of any number type and of shapes that hold M boxes, M scores, M classes.

        Raises:
            ValueError: the three do not belong together.
        """
        found = cls(
            boxes=np.asarray(boxes, np.float32).reshape(-1, 4),
            scores=np.asarray(scores, np.float32).reshape(-1),
            classes=np.asarray(classes).reshape(-1).astype(np.int64),
        )
        if not len(found.boxes) == len(found.scores) == len(found.classes):
            raise ValueError(
                f"{len(found.boxes)} boxes, {len(found.scores)} scores and {len(found.classes)} classes do not belong "
                "together"
            )
        return found

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, chosen: Any) -> Detections:
        """The detections that an index array or a mask chooses."""
        return Detections(boxes=self.boxes[chosen], scores=self.scores[chosen], classes=self.classes[chosen])


def centred(boxes: Array) -> Array:
    """Corners of boxes [..., 4] that are given by centre, width and height.

    >>> centred(np.array([[5.0, 5.0, 4.0, 2.0]]))
    array([[3., 4., 7., 6.]])
    """
    centre, half = boxes[..., :2], boxes[..., 2:4] / 2
    return np.concatenate([centre - half, centre + half], axis=-1)


def overlaps(first: Array, second: Array) -> Array:
    """Intersection over union of boxes [M, 4] and [K, 4]: [M, K].

    >>> overlaps(np.array([[0.0, 0, 2, 2]]), np.array([[0.0, 0, 2, 1], [5, 5, 6, 6]]))
    array([[0.5, 0. ]])
    """
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    common = np.clip(high - low, 0, None).prod(axis=-1)
    union = _area(first)[:, None] + _area(second)[None] - common
    shares: Array = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return shares


def _area(boxes: Array) -> Array:
    area: Array = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=-1)
    return area
