"""Putting parts of a batch together so that gradients flow through it.

Two cases differ. A loss that every process computes alike, from what all have gathered, sends its gradient to this
process's own part; the parts of the others get theirs in the other processes, and gradients of parameters are added up
afterwards (`Processes.add_gradients`). A value inside a network, on which what other processes compute depends as well,
gets the sum of the gradients of all of them.
"""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from calib.parallel.processes import Processes, Share

Outputs = TypeVar("Outputs", Tensor, tuple[Tensor, ...], Tensor | tuple[Tensor, ...])
Moments = list[tuple[Tensor, Tensor]]


def gathered(own: Outputs, share: Share) -> Outputs:
    """The outputs of all images, of a network that has computed those of `share`; for losses that all compute alike."""
    if share.processes.size == 1:
        return own
    if isinstance(own, Tensor):
        whole: Tensor = _Gathered.apply(own, share.of_length(len(own)))  # type: ignore[no-untyped-call]
        return whole
    return tuple(gathered(part, share) for part in own)


def shared_mean(own: Tensor, share: Share) -> Tensor:
    """Means over all images of means over the images of each process; for losses that all compute alike."""
    if share.processes.size == 1:
        return own
    whole: Tensor = _Total.apply(own * share.weight, share.processes)  # type: ignore[no-untyped-call]
    return whole


def shared_moments(own: Moments, share: Share) -> Moments:
    """Mean and biased variance [C] of several values over all images, of those over the images of each process."""
    if share.processes.size == 1 or not own:
        return own
    sizes = [len(mean) for mean, _ in own for _ in range(2)]
    flat = torch.cat([moment for pair in own for moment in pair])
    every: Tensor = _Stacked.apply(flat, share.processes)  # type: ignore[no-untyped-call]
    merged = _merged(every.split(sizes, dim=1), share)
    return list(zip(merged[::2], merged[1::2], strict=True))


def _merged(moments: tuple[Tensor, ...], share: Share) -> list[Tensor]:
    """Moments of the whole of those of all processes, means and variances by turns, each [processes, C]."""
    weights = torch.bincount(share.owners, minlength=share.processes.size).to(moments[0]) / len(share)
    merged = []
    for means, variances in zip(moments[::2], moments[1::2], strict=True):
        mean = weights @ means
        merged += [mean, weights @ (variances + (means - mean).square())]
    return merged


class SharedBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm whose statistics while training are those of the whole batch, of which each process has a share.

    Attributes:
        share: of the batch.
    """

    share: Share

    def forward(self, input: Tensor) -> Tensor:
        """Normalise [N, C, H, W]."""
        if not self.training:
            return super().forward(input)
        variance, mean = torch.var_mean(input, dim=(0, 2, 3), correction=0)
        own = torch.cat([mean, variance])
        every: Tensor = _StackedThrough.apply(own, self.share.processes)  # type: ignore[no-untyped-call]
        mean, variance = _merged(every.split(len(mean), dim=1), self.share)
        self._track(mean.detach(), variance.detach(), len(self.share) * input.shape[2] * input.shape[3])
        shape = (1, -1, 1, 1)
        normal = (input - mean.reshape(shape)) * torch.rsqrt(variance + self.eps).reshape(shape)
        return normal * self.weight.reshape(shape) + self.bias.reshape(shape)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor, count: int) -> None:
        assert self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        rate = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, rate)
        self.running_var.lerp_(variance * (count / max(1, count - 1)), rate)


def with_shared_norms(network: nn.Module, share: Share) -> None:
    """Let every BatchNorm2d of a network that is trained see the whole batch; changes the network in place."""
    if share.processes.size == 1:
        return
    for parent in list(network.modules()):
        for name, norm in list(parent.named_children()):
            if type(norm) is nn.BatchNorm2d:
                shared = SharedBatchNorm2d(norm.num_features, eps=norm.eps, momentum=norm.momentum).to(norm.weight)
                shared.load_state_dict(norm.state_dict())
                shared.share = share
                setattr(parent, name, shared)


class _Gathered(torch.autograd.Function):
    """All rows of the rows of each process; the gradient is that of the own rows."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, share: Share) -> Tensor:
        ctx.share = share
        return share.gather(own)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return ctx.share.take(gradients[0]), None


class _Total(torch.autograd.Function):
    """The sum over processes; the gradient is that of the sum."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, processes: Processes) -> Tensor:
        return processes.total(own)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return gradients[0], None


class _Stacked(torch.autograd.Function):
    """The tensors of all processes, [processes, ...]; the gradient is that of the own one."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, processes: Processes) -> Tensor:
        ctx.processes = processes
        return torch.stack(processes.gather(own))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return gradients[0][ctx.processes.rank], None


class _StackedThrough(_Stacked):
    """The same inside a network: the gradient is the sum of those that all processes have for the own tensor."""

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return ctx.processes.total(gradients[0].contiguous())[ctx.processes.rank], None
