"""Boxes that are final: non-maximum suppression, or a network that needs none, is in the graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import onnx_ir as ir

from gdfq_export.tasks.detection.detections import Array, Detections
from gdfq_export.tasks.outputs import NetworkOutputs, OutputArrays

_CLASS_WORDS = ("class", "label")
_MOST_ROWS = 1000  # of an output of final boxes; a table of candidates has more


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxTable:
    """One output [N, K, 6]: left, top, right, bottom, score, class (YOLOv10, YOLO26); unused rows have score 0."""

    @classmethod
    def recognise(cls, network: NetworkOutputs) -> Self | None:
        """The only output, of six columns and few rows, where the graph selects some or the task is asked for."""
        shape = network.outputs[0].shape if len(network.outputs) == 1 else ()
        rows = shape[1] if len(shape) == 3 and shape[2] == 6 else None
        likely = network.asked or (network.graph is not None and any(map(_selects, network.graph.graph)))
        return cls() if likely and isinstance(rows, int) and rows <= _MOST_ROWS else None

    @property
    def title(self) -> str:
        """A table."""
        return "a table of boxes, scores and classes"

    def __call__(self, outputs: OutputArrays) -> list[Detections]:
        """Take the rows that are used."""
        return [_used(rows[:, :4], rows[:, 4], rows[:, 5]) for rows in outputs[0]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxesScoresClasses:
    """Outputs [N, K, 4], [N, K] and [N, K], and perhaps the number of boxes [N] or [N, 1], in any order.

    Attributes:
        boxes: position of the boxes.
        scores: position of the scores.
        classes: position of the classes.
        count: position of the number of boxes, if there is one.
    """

    boxes: int
    scores: int
    classes: int
    count: int | None

    @classmethod
    def recognise(cls, network: NetworkOutputs) -> Self | None:
        """Boxes are known by their shape, classes and scores by their type or name."""
        named = dict(enumerate(network.outputs))
        boxes = [index for index, each in named.items() if len(each.shape) == 3 and each.shape[2] == 4]
        if len(named) not in (3, 4) or len(boxes) != 1:
            return None
        rows = named[boxes[0]].shape[1]
        tables = [index for index, each in named.items() if len(each.shape) == 2 and each.shape[1] == rows != 1]
        classes = [index for index in tables if any(word in named[index].name.lower() for word in _CLASS_WORDS)]
        if len(tables) != 2 or len(classes) != 1:
            return None
        (scores,) = set(tables) - set(classes)
        count = min(set(named) - {*boxes, *tables}, default=None)
        return cls(boxes=boxes[0], scores=scores, classes=classes[0], count=count)

    @property
    def title(self) -> str:
        """Outputs of their own."""
        return "boxes, scores and classes"

    def __call__(self, outputs: OutputArrays) -> list[Detections]:
        """Take the boxes that are used."""
        total = len(outputs[self.boxes])
        counts = [None] * total if self.count is None else outputs[self.count].reshape(total).astype(int)
        chosen = (outputs[self.boxes], outputs[self.scores], outputs[self.classes])
        return [
            _used(boxes[:count], scores[:count], classes[:count])
            for boxes, scores, classes, count in zip(*chosen, counts, strict=True)
        ]


def _selects(node: ir.Node) -> bool:
    return node.op_type in ("NonMaxSuppression", "TopK")


def _used(boxes: Array, scores: Array, classes: Array) -> Detections:
    found = Detections.of(boxes, scores, classes)
    found = found[found.scores > 0]
    return found[np.argsort(-found.scores, kind="stable")]
