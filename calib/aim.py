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
_SMALLEST_SHARE = 1e-4  # of the mean variance of an output's channels; less is no answer


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


class SpreadAim:
    """Stretch the outputs over their range: for networks without classes, whatever their outputs are.

    BatchNorm's statistics hold every layer that has a BatchNorm behind it, and nothing the outputs behind the last one.
    Images are therefore drawn to where outputs differ from image to image and from place to place, so that the range of
    a quantized output covers strong answers too (Dikstein et al., "Data Generation for Hardware-Friendly Post-Training
    Quantization", WACV 2025, arXiv 2410.22110, stretch outputs for the same reason). The logarithm counts each channel
    by its own size: boxes in pixels weigh no more than scores between 0 and 1.
    """

    conditions = 1

    def loss(self, outputs: Outputs, labels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Give minus the mean logarithm of the outputs' standard deviation, and that mean as `spread`."""
        parts = (outputs,) if isinstance(outputs, Tensor) else outputs
        spreads = [_log_spread(part.float()) for part in parts if part.is_floating_point() and part.numel() > 1]
        spread = torch.stack(spreads).mean() if spreads else torch.zeros((), device=labels.device)
        return -spread, {"spread": spread}


def _log_spread(output: Tensor) -> Tensor:
    """Mean over channels of the logarithm of the standard deviation over images and positions.

    Channels are the shortest axis behind the batch: classes of `[N, anchors, classes]`, maps of `[N, C, H, W]`.
    """
    channels = min(range(1, output.dim()), key=lambda axis: output.shape[axis], default=0)
    rows = output.movedim(channels, 0).flatten(1) if output.dim() > 1 else output[None]
    variance = rows.var(dim=1, correction=0)
    floor = _SMALLEST_SHARE * variance.detach().mean() + torch.finfo(variance.dtype).tiny
    return 0.5 * torch.log(variance + floor).mean()
