"""ONNX Runtime's integer kernels on x86-64 CPUs without AVX2: those of newer ones, except for the sum.

QLinearAdd rounds every product and every sum, having no fused multiply-add, and takes the first summand first, except
beside a scalar (ONNX Runtime 1.32, `qladd.cpp`).
"""

from __future__ import annotations

import dataclasses
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from gdfq_export.simulator.codes import CodedTensor
from gdfq_export.simulator.kernel_sets.onnxruntime_x86 import (
    ONNXRUNTIME_X86,
    first_is_scalar,
    in_kernel_order,
    sum_codes,
)
from gdfq_export.support.quant_params import QuantParams
from gdfq_export.targets import Kernel


def add(a: CodedTensor, b: CodedTensor, grid: QuantParams) -> Tensor:
    """com.microsoft QLinearAdd."""
    a, b = in_kernel_order(a, b)
    ratio_a, ratio_b = np.float32(a.grid.scale / grid.scale), np.float32(b.grid.scale / grid.scale)
    zeros = np.float32(ratio_a * np.float32(a.grid.zero_point)) + np.float32(ratio_b * np.float32(b.grid.zero_point))
    fixed = np.float32(np.float32(grid.zero_point) - zeros)
    products = [each.codes.to(torch.float32) * torch.tensor(ratio) for each, ratio in ((a, ratio_a), (b, ratio_b))]
    if first_is_scalar(b.codes, a.codes):
        products.reverse()
    return sum_codes(products[1] + (products[0] + torch.tensor(fixed)), grid)


ONNXRUNTIME_SSE = dataclasses.replace(
    ONNXRUNTIME_X86,
    name="onnxruntime-sse",
    binary=MappingProxyType({**ONNXRUNTIME_X86.binary, Kernel.ADD: add}),
)
