"""BatchNorm statistics of a teacher and the BNS loss (GDFQ, Xu et al. 2020, eq. 4; ZeroQ uses the same idea per image).

A trained BatchNorm layer remembers mean and variance of its input over the training data. The loss compares them with
the mean and the biased variance of what the layer receives now, so it is measured on BatchNorm *inputs*, with the
teacher in eval mode.

As published the loss is mean squared error of mean and variance, in absolute units: layers with a wide variance
dominate. The normalised form divides each channel's error of mean and of standard deviation by the running standard
deviation, so every channel of every layer counts alike.
"""

from __future__ import annotations

from types import TracebackType

import torch
from torch import Tensor, nn

from calib.parallel.gradients import shared_moments
from calib.parallel.processes import Share

BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d
BATCH_NORMS: dict[int, type[BatchNorm]] = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
"""By the rank of their input."""


def batch_norms(teacher: nn.Module) -> list[BatchNorm]:
    """BatchNorm layers with running statistics, of inputs of any rank, in module order."""
    return [module for module in teacher.modules() if isinstance(module, BatchNorm) and module.running_mean is not None]


def has_batch_norm(teacher: nn.Module) -> bool:
    """Tell whether the teacher still carries BatchNorm statistics (a folded network does not).

    Example:
        >>> from torch import nn
        >>> from calib import has_batch_norm
        >>> has_batch_norm(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)))
        True
    """
    return bool(batch_norms(teacher))


def normalized_distance(layer: BatchNorm, mean: Tensor, variance: Tensor) -> Tensor:
    """Squared errors of mean [C] and deviation in units of the running deviation: a scalar, the mean over channels.

    Computed in the type and on the device of `mean`.
    """
    assert layer.running_mean is not None and layer.running_var is not None
    trained = (layer.running_var.to(variance) + layer.eps).sqrt()
    shift = (mean - layer.running_mean.to(mean)) / trained
    stretch = (variance + layer.eps).sqrt() / trained - 1
    return (shift.square() + stretch.square()).mean()


class BatchNormTap:
    """Context manager that captures mean and biased variance of every BatchNorm input in the latest forward pass.

    Gradients flow through what is captured.

    Args:
        teacher: any network; its BatchNorm layers are found at any depth.
        share: which images of the batch pass through the network in this process; None: all. Moments are of the batch.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from calib import BatchNormTap, bns_loss
        >>> teacher = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)).eval()
        >>> with BatchNormTap(teacher) as tap:
        ...     logits = teacher(torch.zeros(4, 3, 16, 16))
        ...     loss = bns_loss(tap)
        >>> loss.shape
        torch.Size([])
    """

    def __init__(self, teacher: nn.Module, share: Share | None = None) -> None:
        self._layers = batch_norms(teacher)
        self._share = share
        self._captured: dict[nn.Module, tuple[Tensor, Tensor]] = {}
        self._merged: list[tuple[BatchNorm, Tensor, Tensor]] = []
        self._handles: list[torch.utils.hooks.RemovableHandle] = []

    def __enter__(self) -> BatchNormTap:
        """Attach the hooks."""
        self._handles = [layer.register_forward_pre_hook(self._capture) for layer in self._layers]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the hooks and forget what was captured."""
        for handle in self._handles:
            handle.remove()
        self._captured.clear()
        self._merged.clear()

    def moments(self) -> list[tuple[BatchNorm, Tensor, Tensor]]:
        """Give each layer that ran with the mean [C] and biased variance [C] of its input, in module order."""
        if not self._merged:
            ran = [layer for layer in self._layers if layer in self._captured]
            moments = [self._captured[layer] for layer in ran]
            if self._share is not None:
                moments = shared_moments(moments, self._share)
            self._merged = [(layer, *both) for layer, both in zip(ran, moments, strict=True)]
        return list(self._merged)

    def _capture(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        values = inputs[0].to(torch.promote_types(inputs[0].dtype, torch.float32))
        variance, mean = torch.var_mean(values, dim=(0, *range(2, values.dim())), correction=0)
        self._captured[layer] = (mean, variance)
        self._merged.clear()


def bns_loss(tap: BatchNormTap, normalized: bool = True) -> Tensor:
    """Compare the moments in `tap` with the running statistics (BNS loss, GDFQ, Xu et al. 2020, eq. 4).

    Args:
        tap: an open tap after a forward pass of the teacher.
        normalized: errors of mean and standard deviation in units of the running standard deviation; False gives GDFQ
            as published, MSE(mean) + MSE(variance).

    Returns:
        A scalar, the mean over layers; it carries gradients to the images.

    Raises:
        ValueError: no BatchNorm layer has run.
    """
    losses = []
    for layer, mean, variance in tap.moments():
        assert layer.running_mean is not None and layer.running_var is not None
        if normalized:
            losses.append(normalized_distance(layer, mean, variance))
        else:
            losses.append((mean - layer.running_mean).square().mean() + (variance - layer.running_var).square().mean())
    if not losses:
        raise ValueError("the teacher has no BatchNorm layer that ran: check has_batch_norm before asking for its loss")
    return torch.stack(losses).mean()
