"""One output for each stride, as the head's last convolution gives it: YOLO without the decoding in the graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from gdfq_export.tasks.detection.decoders.cells import cell_centres, stride_of_grid
from gdfq_export.tasks.detection.decoders.decoder import ImageSize, image_size_of, sigmoid
from gdfq_export.tasks.detection.decoders.distributions import boxes_around_cells
from gdfq_export.tasks.detection.detections import Array, Detections, centred
from gdfq_export.tasks.detection.non_maximum_suppression import best_candidates, suppressed
from gdfq_export.tasks.outputs import GraphOutput, NetworkOutputs, OutputArrays

_BINS = 16  # distances of a distribution in YOLOv8, v9 and v11
_ANCHORS = {  # widths and heights in pixels, of YOLOv5 and v7 trained on COCO
    8: ((10, 13), (16, 30), (33, 23)),
    16: ((30, 61), (62, 45), (59, 119)),
    32: ((116, 90), (156, 198), (373, 326)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GridHeads:
    """Maps [N, 64 + C, H, W] of distributions and logits, or [N, 3, H, W, 5 + C] of offsets to anchors and logits.

    Attributes:
        image_size: of the network's input.
        strides: of each output.
        anchors: whether the boxes are relative to anchors.
    """

    image_size: ImageSize
    strides: tuple[int, ...]
    anchors: bool

    @classmethod
    def recognise(cls, network: NetworkOutputs) -> Self | None:
        """Outputs of one kind, each of another stride; maps, which could be features, if the task is asked for."""
        found = [_grid(output, network.asked) for output in network.outputs]
        grids = [each for each in found if each is not None]
        strides = [stride_of_grid(image_size_of(network), each.shape) for each in grids]
        known = tuple(stride for stride in strides if stride is not None)
        kinds = {(each.anchors, each.width) for each in grids}
        if len(found) < 2 or len(set(known)) != len(found) or len(kinds) != 1:
            return None
        if grids[0].anchors and not set(known) <= set(_ANCHORS):
            return None
        return cls(image_size=image_size_of(network), strides=known, anchors=grids[0].anchors)

    @property
    def title(self) -> str:
        """Maps by stride."""
        kind = "offsets to anchors" if self.anchors else "box distributions"
        return f"maps of {kind} and class scores of the strides {', '.join(map(str, self.strides))}"

    def __call__(self, outputs: OutputArrays) -> list[Detections]:
        """Decode, and suppress what overlaps."""
        decode = self._of_anchors if self.anchors else self._of_distributions
        parts = [decode(output, stride) for output, stride in zip(outputs, self.strides, strict=True)]
        boxes, scores = (np.concatenate(each, axis=1) for each in zip(*parts, strict=True))
        return [suppressed(best_candidates(*each)) for each in zip(boxes, scores, strict=True)]

    def _of_distributions(self, output: Array, stride: int) -> tuple[Array, Array]:
        rows = output.reshape(*output.shape[:2], -1).transpose(0, 2, 1)
        boxes = boxes_around_cells(rows[..., : 4 * _BINS], self.image_size, stride)
        return boxes, sigmoid(rows[..., 4 * _BINS :])

    def _of_anchors(self, output: Array, stride: int) -> tuple[Array, Array]:
        """YOLOv5: centre = cell + 2 sigmoid(t) - 0.5, size = anchor * (2 sigmoid(t)) ** 2."""
        rows = sigmoid(output.reshape(*output.shape[:2], -1, output.shape[-1]))
        centres = cell_centres(self.image_size, stride) + (2 * rows[..., :2] - 1) * stride
        anchors = np.array(_ANCHORS[stride], np.float32)[:, None]
        boxes = centred(np.concatenate([centres, anchors * np.square(2 * rows[..., 2:4])], axis=-1))
        scores = rows[..., 4:5] * rows[..., 5:]
        return boxes.reshape(len(boxes), -1, 4), scores.reshape(len(boxes), -1, scores.shape[-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grid:
    """Whether an output has anchors, how many numbers there are for a box, and rows and columns of cells."""

    anchors: bool
    width: int
    shape: tuple[int, int]


def _grid(output: GraphOutput, asked: bool) -> _Grid | None:
    shape = tuple(size if isinstance(size, int) else 0 for size in output.shape)
    if len(shape) == 5 and shape[1] == 3 and shape[4] > 5:
        return _Grid(anchors=True, width=shape[4], shape=(shape[2], shape[3]))
    if len(shape) == 4 and shape[1] > 4 * _BINS and asked:
        return _Grid(anchors=False, width=shape[1], shape=(shape[2], shape[3]))
    return None
