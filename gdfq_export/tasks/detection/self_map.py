"""Self-mAP: how well a quantized detector finds what the float one finds, where there are no labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.text import counted
from gdfq_export.tasks.detection.average_precision import MeanPrecision, with_interval
from gdfq_export.tasks.detection.detections import Detections
from gdfq_export.tasks.detection.matching import match

OBJECT_SCORE = 0.3
"""From this score on, a box of the float network counts as an object."""

_OVERLAP = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfMap:
    """mAP of the quantized network's boxes, where the float network's are taken for the objects.

    Attributes:
        precision: 0 to 1, with its 95 % interval over images.
        objects: boxes of the float network with a score of at least `object_score`.
        classes: classes among them.
        object_score: see above.
        overlap: least intersection over union of a match.
    """

    precision: MeanPrecision
    objects: int
    classes: int
    object_score: float = OBJECT_SCORE
    overlap: float = _OVERLAP


def self_map(
    float_found: Sequence[Detections], quantized_found: Sequence[Detections], *, object_score: float = OBJECT_SCORE
) -> SelfMap | NotMeasured:
    """Score the quantized network's boxes of each image against the float network's in the same image."""
    objects = [found[found.scores >= object_score] for found in float_found]
    total = sum(map(len, objects))
    if total == 0:
        return NotMeasured(
            reason=f"the float network finds no object with a score of at least {object_score} in "
            f"{counted(len(objects), 'image')}"
        )
    matches = match(quantized_found, objects, threshold=_OVERLAP)
    return SelfMap(
        precision=with_interval([*matches.values()]),
        objects=total,
        classes=len(matches),
        object_score=object_score,
    )
