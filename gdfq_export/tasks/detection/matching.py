"""Matching: which detections are right, given the objects of each image.

A table of matches has everything that average precision needs, for any choice of images: intervals come from drawing
images again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gdfq_export.tasks.detection.detections import Detections, Index, overlaps


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """Detections of one class in all images, the best score first, and how many objects there are.

    Attributes:
        right: bool [T, D], whether detection d is matched with an object at overlap threshold t.
        ignored: bool [T, D], detections that count neither as right nor as wrong.
        image: int64 [D], the image that detection d is in.
        objects: int64 [N], objects of the class in each image.
    """

    right: NDArray[np.bool_]
    ignored: NDArray[np.bool_]
    image: Index
    objects: Index


def match(found: Sequence[Detections], objects: Sequence[Detections], *, threshold: float = 0.5) -> dict[int, Matches]:
    """Match class by class; of several detections of an object the one with the best score is right.

    As in PASCAL VOC and COCO: in the order of scores, a detection takes the object that it overlaps most and that none
    has taken before.

    Args:
        found: the detections of each image.
        objects: what is in each image.
        threshold: least intersection over union.

    Returns:
        Matches with one threshold, by class; a class without objects is left out.
    """
    classes = sorted({int(label) for each in objects for label in each.classes})
    return {label: _match_class(found, objects, label, threshold) for label in classes}


def _match_class(found: Sequence[Detections], objects: Sequence[Detections], label: int, threshold: float) -> Matches:
    right, scores, images, counts = [], [], [], []
    for index, (detected, present) in enumerate(zip(found, objects, strict=True)):
        mine, wanted = detected[detected.classes == label], present[present.classes == label]
        mine = mine[np.argsort(-mine.scores, kind="stable")]
        shares = overlaps(mine.boxes, wanted.boxes)
        counts.append(len(wanted))
        images.extend([index] * len(mine))
        scores.append(mine.scores)
        for row in shares:
            best = int(row.argmax()) if len(row) else -1
            hit = best >= 0 and bool(row[best] >= threshold)
            right.append(hit)
            if hit:
                shares[:, best] = -1.0
    order = np.argsort(-np.concatenate(scores), kind="stable")
    flags = np.array(right, bool)[order][None]
    return Matches(
        right=flags,
        ignored=np.zeros_like(flags),
        image=np.array(images, np.int64)[order],
        objects=np.array(counts, np.int64),
    )
