"""A pair of outputs for each stride, class scores and box distributions: PicoDet, NanoDet, GFL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from gdfq_export.tasks.detection.decoders.cells import stride_of
from gdfq_export.tasks.detection.decoders.decoder import ImageSize, as_probabilities, image_size_of
from gdfq_export.tasks.detection.decoders.distributions import boxes_around_cells
from gdfq_export.tasks.detection.detections import Detections
from gdfq_export.tasks.detection.non_maximum_suppression import best_candidates, suppressed
from gdfq_export.tasks.outputs import NetworkOutputs, OutputArrays

_BINS = (4, 64)  # the fewest and the most distances of a distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributionHeads:
    """Scores [N, A, C] and distributions [N, A, 4 * B] for the A cells of each stride.

    Attributes:
        image_size: of the network's input.
        heads: position of the scores, position of the distributions, and stride.
    """

    image_size: ImageSize
    heads: tuple[tuple[int, int, int], ...]

    @classmethod
    def recognise(cls, network: NetworkOutputs) -> Self | None:
        """Two outputs for each number of cells, of which the second, or the only one that can be, holds boxes."""
        outputs, image_size = network.outputs, image_size_of(network)
        by_cells: dict[int, list[int]] = {}
        for index, output in enumerate(outputs):
            if len(output.shape) != 3 or not all(isinstance(size, int) for size in output.shape[1:]):
                return None
            by_cells.setdefault(int(output.shape[1]), []).append(index)
        heads: list[tuple[int, int, int]] = []
        for cells, pair in by_cells.items():
            stride = stride_of(image_size, cells)
            if stride is None or len(pair) != 2:
                return None
            heads.append((pair[0], pair[1], stride))
        widths = [int(outputs[boxes].shape[2]) for _, boxes, _ in heads]
        same = len(set(widths)) == 1 and len({outputs[scores].shape[2] for scores, _, _ in heads}) == 1
        if len(heads) < 2 or not same or widths[0] % 4 or not _BINS[0] <= widths[0] // 4 <= _BINS[1]:
            return None
        return cls(image_size=image_size, heads=tuple(sorted(heads, key=lambda head: head[2])))

    @property
    def title(self) -> str:
        """Scores and distributions by stride."""
        strides = ", ".join(str(stride) for _, _, stride in self.heads)
        return f"class scores and box distributions of the strides {strides}"

    def __call__(self, outputs: OutputArrays) -> list[Detections]:
        """Decode, and suppress what overlaps."""
        scores = as_probabilities(np.concatenate([outputs[index] for index, _, _ in self.heads], axis=1))
        boxes = np.concatenate(
            [boxes_around_cells(outputs[index], self.image_size, stride) for _, index, stride in self.heads], axis=1
        )
        return [suppressed(best_candidates(*each)) for each in zip(boxes, scores, strict=True)]
