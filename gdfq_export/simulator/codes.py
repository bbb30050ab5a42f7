"""Tensors of codes, and the arithmetic on them that ONNX defines or that is exact whoever computes it.

What differs between runtimes and CPU families, where and how results are rounded, is in `kernel_sets/`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gdfq_export.support.quant_params import QuantParams


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


def to_codes(rounded: Tensor, grid: QuantParams) -> Tensor:
    """Whole numbers as int32 codes within the grid's limits."""
    return torch.clamp(rounded, *grid.code_range).to(torch.int32)
