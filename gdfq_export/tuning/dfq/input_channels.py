"""A layer's weights seen from its inputs: Conv of any group and Gemm, one number for each input channel.

Input channel c of a convolution in g groups belongs to group c // (C / g) and is read by that group's outputs alone.
"""

from __future__ import annotations

from torch import Tensor


def largest_by_input(weight: Tensor, groups: int) -> Tensor:
    """Largest magnitude among the weights that read each input channel, [C], of `weight` [M, C / groups, ...]."""
    return _grouped(weight, groups).abs().amax(dim=(1, 3)).flatten()


def scale_inputs(weight: Tensor, groups: int, factors: Tensor) -> Tensor:
    """`weight` with what reads input channel c multiplied by `factors[c]`; factors [C]."""
    return (_grouped(weight, groups) * factors.reshape(groups, 1, -1, 1)).reshape(weight.shape)


def response(weight: Tensor, groups: int, x: Tensor) -> Tensor:
    """The layer's output, without its bias, for constant input channels: [M] from `x` [C].

    Zero padding is ignored: this is the output away from the borders.
    """
    return scale_inputs(weight, groups, x).flatten(1).sum(dim=1)


def _grouped(weight: Tensor, groups: int) -> Tensor:
    """[groups, M / groups, C / groups, taps]."""
    return weight.reshape(groups, weight.shape[0] // groups, weight.shape[1], -1)
