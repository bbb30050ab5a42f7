"""ONNX Runtime's integer kernels on ARM64, emulated to the bit: those of x86-64, except for the sum.

QLinearAdd on NEON multiplies with whole numbers of 22 bits, shifts, and rounds half away from zero (ONNX Runtime 1.32,
`qladd.cpp`). Where a ratio of scales is too small or too large for that, it divides in float and rounds half to even.

A layer with two weights of -128 in one output channel may overflow 16 bits and is not emulated; without them sums are
exact, on cores with and without dot product.
"""

from __future__ import annotations

import dataclasses
import math
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from gdfq_export.simulator.codes import CodedTensor, dequantize, to_codes
from gdfq_export.simulator.kernel_sets.onnxruntime_x86 import ONNXRUNTIME_X86
from gdfq_export.support.quant_params import QuantParams
from gdfq_export.targets import Kernel

_SMALLEST_RATIO, _LARGEST_RATIO = 2.0**-14, 256.0
_FACTOR_BITS = 22
_LEAST_SHIFT, _MOST_SHIFT = 13, 31
_INT16 = (-(2**15), 2**15 - 1)


def add(a: CodedTensor, b: CodedTensor, grid: QuantParams) -> Tensor:
    """com.microsoft QLinearAdd."""
    factors = _fixed_point(np.float32(a.grid.scale / grid.scale), np.float32(b.grid.scale / grid.scale))
    if factors is None:
        return _add_in_float(a, b, grid)
    factor_a, factor_b, shift = factors
    total = (a.offsets.to(torch.int64) * factor_a + b.offsets.to(torch.int64) * factor_b).to(torch.int32)
    wide = total.to(torch.int64)
    half = 1 << (shift - 1)
    steps = (wide - (wide < 0).to(torch.int64) + half) >> shift  # a half, of either sign, away from zero
    return to_codes(steps.clamp(*_INT16) + grid.zero_point, grid)


def _fixed_point(ratio_a: np.float32, ratio_b: np.float32) -> tuple[int, int, int] | None:
    """Both ratios times 2**shift as whole numbers, the larger one of 22 bits, and shift; None where floats are used."""
    ratios = float(ratio_a), float(ratio_b)
    if not all(_SMALLEST_RATIO <= ratio < _LARGEST_RATIO for ratio in ratios):
        return None
    shift = _FACTOR_BITS - math.frexp(max(ratios))[1]
    first, second = (round(ratio * 2.0**shift) for ratio in ratios)
    fits = 2 ** (_FACTOR_BITS - 1) <= max(first, second) < 2**_FACTOR_BITS
    return (first, second, shift) if fits and _LEAST_SHIFT <= shift <= _MOST_SHIFT else None


def _add_in_float(a: CodedTensor, b: CodedTensor, grid: QuantParams) -> Tensor:
    steps = (dequantize(a) + dequantize(b)) / torch.tensor(grid.scale)
    low, high = grid.storage_range
    return to_codes(torch.round(steps.clamp(low - grid.zero_point, high - grid.zero_point) + grid.zero_point), grid)


ONNXRUNTIME_ARM64 = dataclasses.replace(
    ONNXRUNTIME_X86,
    name="onnxruntime-arm64",
    binary=MappingProxyType({**ONNXRUNTIME_X86.binary, Kernel.ADD: add}),
)
