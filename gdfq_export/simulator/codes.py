"""Tensors of codes, and the arithmetic on them that ONNX defines or that is exact whoever computes it.

What differs between runtimes and CPU families, where and how results are rounded, is in `kernel_sets/`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gdfq_export.support.quant_params import QuantParams

_EXACT_IN_FLOAT32 = 2**24


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedTensor:
    """int32 codes of any shape on a grid."""

    codes: Tensor
    grid: QuantParams

    @property
    def offsets(self) -> Tensor:
        """Codes minus the zero point, int32."""
        return self.codes - self.grid.zero_point


def quantize(x: Tensor, grid: QuantParams) -> Tensor:
    """ONNX QuantizeLinear (opset 21) of float32 values and, for fewer than 8 bits, the Clip behind it: int32 codes."""
    scaled = torch.round(x / torch.tensor(grid.scale))
    return to_codes(scaled + grid.zero_point, grid)


def clip(x: Tensor, grid: QuantParams) -> Tensor:
    """What remains of QuantizeLinear and DequantizeLinear where a runtime drops the rounding: float32 values."""
    low, high = (np.float32(code - grid.zero_point) * grid.scale for code in grid.code_range)
    return torch.clamp(x, float(low), float(high))


def dequantize(x: CodedTensor) -> Tensor:
    """ONNX DequantizeLinear: float32 values."""
    return x.offsets.to(torch.float32) * torch.tensor(x.grid.scale)


def accumulate(
    function: Callable[..., Tensor], x: CodedTensor, weight: Tensor, bias: Tensor | None, **attributes: Any
) -> Tensor:
    """Exact int32 sums of a convolution or matrix product, as float64.

    Computed in float32 where no sum can reach 2**24, in float64 elsewhere: both are then exact.

    Args:
        function: the operator on floats, called with input, weight and, if there is one, bias.
        x: the input, [N, C, ...] with one to three spatial axes, or [..., C].
        weight: int32 codes minus their zero point, [out, ...].
        bias: int32 codes, [out].
        attributes: keyword arguments of `function`.
    """
    sizes = weight.abs()
    reach = sizes.sum() if weight.dim() < 3 else sizes.flatten(1).sum(dim=1).max()
    largest = 0 if bias is None else int(bias.abs().max())
    span = max(x.grid.code_range[1] - x.grid.zero_point, x.grid.zero_point - x.grid.code_range[0])
    exact = int(reach) * span + largest < _EXACT_IN_FLOAT32
    dtype = torch.float32 if exact else torch.float64
    operands = [x.offsets.to(dtype), weight.to(dtype)]
    if bias is not None:
        operands.append(bias.to(dtype))
    return function(*operands, **attributes).to(torch.float64) + 0.0  # an integer zero has no sign


def to_codes(rounded: Tensor, grid: QuantParams) -> Tensor:
    """Whole numbers as int32 codes within the grid's limits."""
    return torch.clamp(rounded, *grid.code_range).to(torch.int32)
