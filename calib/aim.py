"""Aim: what images are made towards, beside the statistics of BatchNorm.

An image is made for a condition, an integer that stands in a set as its label: a class to be recognised as, or 0 for
every image where a network has no classes.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

Outputs = Tensor | tuple[Tensor, ...]


def output_shapes(outputs: Outputs) -> list[tuple[int, ...]]:
    """Shapes of what a teacher returns, the batch included."""
    return [tuple(output.shape) for output in ((outputs,) if isinstance(outputs, Tensor) else outputs)]


class Aim(Protocol):
    """A loss on the teacher's outputs."""

    @property
    def conditions(self) -> int:
        """How many conditions there are: labels are 0 to conditions - 1."""
        ...

    def loss(self, outputs: Outputs, labels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Give a differentiable scalar, and figures of it by name for whoever follows the training.

        Args:
            outputs: what the teacher returns for N images.
            labels: int64 [N], the conditions the images are made for.
        """
        ...


class ClassAim:
    """Be recognised as a given class: cross-entropy (GDFQ, Xu et al. 2020, eq. 3)."""

    def __init__(self, classes: int) -> None:
        self.conditions = classes

    def loss(self, outputs: Outputs, labels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Give the cross-entropy of logits [N, classes], and the share of images that are recognised."""
        assert isinstance(outputs, Tensor), "a classifier returns one tensor of logits"
        logits = class_scores(outputs.float())
        cross_entropy = functional.cross_entropy(logits, labels)
        agreement = (logits.argmax(1) == labels).float().mean()
        return cross_entropy, {"cross_entropy": cross_entropy, "agreement": agreement}


def class_scores(logits: Tensor) -> Tensor:
    """Logits `[N, classes]` of logits, to which `[N, 1]`, the score of the second of two classes, is completed by 0."""
    return functional.pad(logits, (1, 0)) if logits.shape[1] == 1 else logits


class NoAim:
    """Nothing is asked of the outputs: images follow the statistics and the prior alone."""

    conditions = 1

    def loss(self, outputs: Outputs, labels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Give 0."""
        del outputs
        return torch.zeros((), device=labels.device), {}
