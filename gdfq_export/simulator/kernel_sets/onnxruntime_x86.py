"""ONNX Runtime's integer kernels on x86-64 from AVX2 on, emulated to the bit.

What was measured and read in ONNX Runtime 1.32 (all in float32 unless noted; rounding is half to even):

* QuantizeLinear divides, rounds, then adds the zero point.
* QLinearConv, QGemm, QLinearMatMul: int32 accumulators; one multiplier (s_x * s_w[c]) / s_y a channel; clamp, round,
  add the zero point.
* QGemm and QLinearMatMul without output quantization: float(accumulator) * (s_x * s_w[c]).
* QLinearAdd: fused multiply-adds in the order below; the compiler contracts the constant part as well.
* QLinearMul: (s_a * s_b) / s_y, product and sum rounded separately.
* QLinearAveragePool: a running float sum in window order; the zero point is added *before* rounding.
* QLinearGlobalAveragePool: int32 sum, one multiplier s_x / (s_y * H * W).
* QLinearConcat: a table of 256 codes for each input whose scale or zero point differs from the output's.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from gdfq_export.frontend.torch_import.operators.padding import Pads, output_size, pad_spatial, spatial_pads
from gdfq_export.simulator.codes import CodedTensor, dequantize, quantize, to_codes
from gdfq_export.simulator.kernel_sets.kernel_set import KernelSet
from gdfq_export.support.quant_params import QuantParams
from gdfq_export.targets import Kernel

_INT32_OVERFLOW = 2.0**31
"""From here on a float has no int32, and the processor's conversion gives the smallest one."""


def requantize(accumulator: Tensor, multiplier: Tensor, grid: QuantParams) -> Tensor:
    """Accumulators to output codes; `multiplier` is float32 and broadcasts over them."""
    low, high = (code - grid.zero_point for code in grid.code_range)  # narrower than the kernel's, to the same result
    scaled = accumulator.to(torch.float32) * multiplier
    return scaled.clamp_(low, high).round_().add_(grid.zero_point).to(torch.int32)


def add(a: CodedTensor, b: CodedTensor, grid: QuantParams) -> Tensor:
    """com.microsoft QLinearAdd."""
    a, b = in_kernel_order(a, b)
    ratio_a, ratio_b = np.float32(a.grid.scale / grid.scale), np.float32(b.grid.scale / grid.scale)
    second = np.float32(ratio_b * np.float32(b.grid.zero_point))
    inner = np.float32(np.float64(ratio_a) * a.grid.zero_point + np.float64(second))
    fixed = np.float32(np.float32(grid.zero_point) - inner)
    partial = _fused_multiply_add(b.codes, ratio_b, torch.tensor(fixed, dtype=torch.float64))
    total = _fused_multiply_add(a.codes, ratio_a, partial.to(torch.float64))
    return sum_codes(total, grid)


def in_kernel_order(a: CodedTensor, b: CodedTensor) -> tuple[CodedTensor, CodedTensor]:
    """The summands as the kernel gets them: where broadcasting makes the first a scalar, it is the second."""
    return (b, a) if first_is_scalar(a.codes, b.codes) else (a, b)


def sum_codes(total: Tensor, grid: QuantParams) -> Tensor:
    """A float32 sum in steps, as the processor converts it, as codes."""
    return to_codes(torch.round(torch.where(total < _INT32_OVERFLOW, total, -_INT32_OVERFLOW)), grid)


def first_is_scalar(a: Tensor, b: Tensor) -> bool:
    """Whether broadcasting gives the kernel one element of `a` at a time (ONNX Runtime, `Broadcaster`).

    Of the axes that both have, the innermost with more than one element decides: `a` has one element there. Where there
    is no such axis, the kernel gets single elements of both, unless the ranks are equal.
    """
    for size_a, size_b in zip(reversed(a.shape or (1,)), reversed(b.shape or (1,)), strict=False):
        if max(size_a, size_b) > 1:
            return size_a == 1
    return a.dim() != b.dim()


def _fused_multiply_add(codes: Tensor, factor: np.float32, addend: Tensor) -> Tensor:
    """Compute codes * factor + addend with one rounding; the product of a code and a float32 is exact in float64."""
    return (codes.to(torch.float64) * float(factor) + addend).to(torch.float32)


def multiply(a: CodedTensor, b: CodedTensor, grid: QuantParams) -> Tensor:
    """com.microsoft QLinearMul."""
    ratio = np.float32(np.float32(a.grid.scale * b.grid.scale) / grid.scale)
    product = (a.offsets * b.offsets).to(torch.float32) * torch.tensor(ratio)
    return to_codes(torch.round(product + grid.zero_point), grid)


def concat(parts: Sequence[CodedTensor], grid: QuantParams, *, axis: int) -> Tensor:
    """com.microsoft QLinearConcat."""
    return torch.cat([_to_grid(part, grid) for part in parts], dim=axis)


def _to_grid(part: CodedTensor, grid: QuantParams) -> Tensor:
    if part.grid.scale == grid.scale and part.grid.zero_point == grid.zero_point:
        return torch.clamp(part.codes, *grid.code_range)
    return quantize(dequantize(part), grid)


def global_average_pool(x: CodedTensor, grid: QuantParams) -> Tensor:
    """com.microsoft QLinearGlobalAveragePool over the axes behind the channels."""
    axes = tuple(range(2, x.codes.dim()))
    count = int(np.prod(x.codes.shape[2:]))
    total = x.offsets.to(torch.int64).sum(dim=axes, keepdim=True)
    multiplier = np.float32(x.grid.scale / np.float32(grid.scale * np.float32(count)))
    return requantize(total, torch.tensor(multiplier), grid)


def average_pool(
    x: CodedTensor,
    grid: QuantParams,
    *,
    kernel: Sequence[int],
    pads: Pads,
    stride: Sequence[int],
    dilation: Sequence[int],
    ceil_mode: bool,
    count_include_pad: bool,
) -> Tensor:
    """com.microsoft QLinearAveragePool of one to three dimensions, arguments as the importer's `average_pool`."""
    values = dequantize(x)
    sizes = values.shape[2:]
    sides = spatial_pads(pads, sizes, kernel, stride, dilation)
    counts = [
        output_size(size, side, k, s, d, ceil_mode)
        for size, side, k, s, d in zip(sizes, sides, kernel, stride, dilation, strict=True)
    ]
    total = torch.zeros(*values.shape[:2], *counts)
    count = torch.zeros(1, 1, *counts)
    margin = [
        (begin, max(0, (n - 1) * s + (k - 1) * d + 1 - begin - size))
        for (begin, _), n, s, k, d, size in zip(sides, counts, stride, kernel, dilation, sizes, strict=True)
    ]
    padded = pad_spatial(values, margin, 0.0)
    inside = pad_spatial(torch.ones(1, 1, *sizes), margin, 0.0)
    for place in itertools.product(*map(range, kernel)):
        cells = [_every(at * d, n, s) for at, d, n, s in zip(place, dilation, counts, stride, strict=True)]
        window = (slice(None), slice(None), *cells)
        total = total + padded[window]
        count = count + inside[window]
    if count_include_pad:
        count = torch.full_like(count, math.prod(kernel))
    mean = total / count
    return to_codes(torch.round(mean / torch.tensor(grid.scale) + grid.zero_point), grid)


def _every(start: int, count: int, step: int) -> slice:
    return slice(start, start + (count - 1) * step + 1, step)


ONNXRUNTIME_X86 = KernelSet(
    name="onnxruntime-x86",
    requantize=requantize,
    binary=MappingProxyType({Kernel.ADD: add, Kernel.MUL: multiply}),
    unary=MappingProxyType({Kernel.AVERAGE_POOL: average_pool, Kernel.GLOBAL_AVERAGE_POOL: global_average_pool}),
    concat=concat,
)
