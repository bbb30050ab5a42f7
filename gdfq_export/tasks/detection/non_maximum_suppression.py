"""Non-maximum suppression: of boxes of one class that overlap, the one with the best score stays."""

from __future__ import annotations

import numpy as np

from gdfq_export.tasks.detection.detections import Array, Detections, overlaps

LOWEST_SCORE = 0.01
"""Of a candidate; below, a network of 10,000 cells and 80 classes gives almost a million."""

_CANDIDATES = 1000  # of one image, those of the best scores, as in COCO's evaluations of these networks
_MOST = 300  # boxes of one image
_OVERLAP = 0.6


def best_candidates(boxes: Array, scores: Array) -> Detections:
    """Every class of every box whose score is high enough, the best first.

    Args:
        boxes: [A, 4], corners in pixels.
        scores: [A, C], 0 to 1.
    """
    cells, classes = np.nonzero(scores >= LOWEST_SCORE)
    found = scores[cells, classes]
    order = np.argsort(-found, kind="stable")[:_CANDIDATES]
    return Detections.of(boxes[cells[order]], found[order], classes[order])


def suppressed(found: Detections, *, overlap: float = _OVERLAP) -> Detections:
    """Leave out every box that overlaps one of its class with a better score by more than `overlap`.

    Neubeck and Van Gool, "Efficient Non-Maximum Suppression", ICPR 2006. At most 300 boxes stay.
    """
    found = found[np.argsort(-found.scores, kind="stable")]
    alike = (overlaps(found.boxes, found.boxes) > overlap) & (found.classes[:, None] == found.classes[None])
    removed = np.zeros(len(found), bool)
    kept: list[int] = []
    for index in range(len(found)):
        if not removed[index]:
            kept.append(index)
            removed |= alike[index]
        if len(kept) == _MOST:
            break
    return found[np.array(kept, np.int64)]
