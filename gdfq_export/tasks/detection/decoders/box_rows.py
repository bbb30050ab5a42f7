"""One output with a row for each candidate.

A row is centre, size, objectness and class scores (YOLOv5, v6, v7), or a column without objectness (YOLOv8, v9, v11).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from gdfq_export.tasks.detection.decoders.cells import cell_count, usual_strides
from gdfq_export.tasks.detection.decoders.decoder import as_probabilities, image_size_of
from gdfq_export.tasks.detection.detections import Detections, centred
from gdfq_export.tasks.detection.non_maximum_suppression import best_candidates, suppressed
from gdfq_export.tasks.outputs import NetworkOutputs, OutputArrays

_ANCHORS = (1, 3)  # boxes of a cell


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxRows:
    """Rows [N, A, 5 + C], or columns [N, 4 + C, A], whose centres and sizes are in pixels.

    Attributes:
        columns: whether the candidates are the last axis, and have no objectness.
    """

    columns: bool

    @classmethod
    def recognise(cls, network: NetworkOutputs) -> Self | None:
        """The first output, where one of its axes is as long as usual strides have cells; others are left alone."""
        shape, image_size = network.outputs[0].shape if network.outputs else (), image_size_of(network)
        if len(shape) != 3 or not (isinstance(shape[1], int) and isinstance(shape[2], int)):
            return None
        candidates = {anchors * cell_count(image_size, strides) for strides in usual_strides() for anchors in _ANCHORS}
        if shape[2] in candidates and shape[1] > 4:
            return cls(columns=True)
        return cls(columns=False) if shape[1] in candidates and shape[2] > 5 else None

    @property
    def title(self) -> str:
        """Rows or columns of candidates."""
        return f"{'columns' if self.columns else 'rows'} of boxes and class scores"

    def __call__(self, outputs: OutputArrays) -> list[Detections]:
        """Decode, and suppress what overlaps."""
        rows = outputs[0].transpose(0, 2, 1) if self.columns else outputs[0]
        scores = as_probabilities(rows[..., 4:] if self.columns else rows[..., 4:5] * rows[..., 5:])
        boxes = centred(rows[..., :4])
        return [suppressed(best_candidates(*each)) for each in zip(boxes, scores, strict=True)]
