"""Exact integer sums of convolutions and matrix products, computed by float operators.

Whole numbers up to 2**24 are exact in float32. In whatever order an operator adds, each partial sum is that of some of
the products, so it lies between the sum of all negative and the sum of all positive ones, which follow from the codes'
range and the weights. Where one reaches 2**24, the input channels are cut into blocks, and the blocks' sums are added
in float64. An integer kernel would be no faster, and could saturate where the runtime's does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from gdfq_export.frontend.torch_import.operators.convolution import conv
from gdfq_export.frontend.torch_import.operators.linear import gemm
from gdfq_export.simulator.codes import CodedTensor
from gdfq_export.support.quant_params import QuantParams

_EXACT_IN_FLOAT32 = 2**24


class Accumulator:
    """A convolution or matrix product with one factor and bias, prepared for many inputs.

    Args:
        operator: on floats, called with input, factor and, if there is one, bias.
        factor: int32 codes minus their zero point: a weight [out, ...], or what a product multiplies with.
        bias: int32 codes, [out].
        grid: of the inputs.
        attributes: keyword arguments of `operator`.
    """

    def __init__(
        self,
        operator: Callable[..., Tensor],
        factor: Tensor,
        bias: Tensor | None,
        grid: QuantParams,
        attributes: Mapping[str, Any],
    ) -> None:
        axes = _summed_axes(operator, factor, attributes)
        reach = _reach(factor, None if axes is None else axes[1], grid)
        blocks = _blocks(reach)
        largest = 0 if bias is None else int(bias.abs().max())
        self._bias_inside = not blocks or (blocks == 1 and _largest(reach) + largest < _EXACT_IN_FLOAT32)
        self._operator, self._attributes = operator, attributes
        self._dtype = torch.float32 if blocks else torch.float64
        self._axis, axis = axes or (0, 0)
        parts = factor.to(self._dtype).tensor_split(blocks or 1, dim=axis)
        self._factors = tuple(part.contiguous() for part in parts)
        self._bias = None if bias is None else bias.to(self._dtype if self._bias_inside else torch.float64)

    def __call__(self, x: CodedTensor) -> Tensor:
        """int32 sums for an input [N, C, ...] with one to three spatial axes, or [..., C], as float32 or float64."""
        values = x.codes.to(self._dtype)
        if x.grid.zero_point:
            values.sub_(x.grid.zero_point)
        if self._bias_inside:
            bias = () if self._bias is None else (self._bias,)
            total = self._operator(values, *self._factors, *bias, **self._attributes)
        else:
            total = self._sum_of_blocks(values)
        return total.add_(0.0)  # an integer zero has no sign

    def _sum_of_blocks(self, values: Tensor) -> Tensor:
        parts = values.tensor_split(len(self._factors), dim=self._axis)
        first, *others = (
            self._operator(part, factor, **self._attributes) for part, factor in zip(parts, self._factors, strict=True)
        )
        total: Tensor = first.double()
        for other in others:
            total.add_(other)
        if self._bias is None:
            return total
        return total.add_(self._bias.reshape(-1, *[1] * (total.dim() - 2)) if self._operator is conv else self._bias)


def accumulate(
    operator: Callable[..., Tensor], x: CodedTensor, factor: Tensor, bias: Tensor | None, **attributes: Any
) -> Tensor:
    """The sums for one input; arguments are those of `Accumulator`."""
    return Accumulator(operator, factor, bias, x.grid, attributes)(x)


def _summed_axes(
    operator: Callable[..., Tensor], factor: Tensor, attributes: Mapping[str, Any]
) -> tuple[int, int] | None:
    """The axes of input and factor along which products are added; None where they cannot be cut into blocks."""
    if operator is conv and attributes["groups"] == 1:
        return 1, 1
    if operator is torch.matmul and factor.dim() > 1:
        return -1, -2
    if operator is gemm and attributes["alpha"] == attributes["beta"] == 1.0 and not attributes["trans_a"]:
        return -1, int(attributes["trans_b"])
    return None


def _reach(factor: Tensor, axis: int | None, grid: QuantParams) -> tuple[Tensor, Tensor]:
    """The largest sums of positive and of negative products for each place along `axis`, int64 [places, sums]."""
    low, high = (code - grid.zero_point for code in grid.code_range)
    reach = []
    for products in (torch.maximum(factor * low, factor * high), -torch.minimum(factor * low, factor * high)):
        if axis is None:
            sums = products.sum() if factor.dim() < 3 else products.flatten(1).sum(dim=1)
            reach.append(sums.reshape(1, -1))
        elif axis == 1 and factor.dim() > 2:  # a convolution: of all places of the kernel
            reach.append(products.flatten(2).sum(dim=2).t())
        else:
            reach.append(products.movedim(axis, 0).flatten(1).long())
    return reach[0], reach[1]


def _largest(reach: tuple[Tensor, Tensor]) -> int:
    return max(int(sums.sum(dim=0).max()) for sums in reach)


def _blocks(reach: tuple[Tensor, Tensor]) -> int:
    """The fewest blocks, a power of two, in which every sum is exact in float32; 0 where there are none."""
    count = 1
    while count <= len(reach[0]):
        parts = zip(*(sums.tensor_split(count) for sums in reach), strict=True)
        if all(_largest(part) < _EXACT_IN_FLOAT32 for part in parts):
            return count
        count *= 2
    return 0
