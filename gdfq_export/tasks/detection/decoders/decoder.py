"""Decoder: how a network's outputs are read as boxes."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from gdfq_export.tasks.detection.detections import Array, Detections
from gdfq_export.tasks.outputs import NetworkOutputs, OutputArrays

ImageSize = tuple[int, int]
"""Height and width of the network's input, in pixels."""


def image_size_of(network: NetworkOutputs) -> ImageSize:
    """Height and width of the network's input; (0, 0) where it takes no images."""
    return (network.image[1], network.image[2]) if len(network.image) == 3 else (0, 0)


class Decoder(Protocol):
    """One way to write boxes."""

    @property
    def title(self) -> str:
        """What the outputs are, for reports."""
        ...

    def __call__(self, outputs: OutputArrays) -> list[Detections]:
        """The detections of each of N images, the best first.

        Args:
            outputs: every output of the file, [N, ...] each, in the file's order.
        """
        ...


def as_probabilities(scores: Array) -> Array:
    """Scores as they are, or, where some are outside 0 to 1, their sigmoid."""
    if scores.size and (scores.min() < 0 or scores.max() > 1):
        return sigmoid(scores)
    return scores


def sigmoid(logits: Array) -> Array:
    """1 / (1 + exp(-x)), for large numbers too."""
    result: Array = np.exp(-np.logaddexp(0, -logits))
    return result
