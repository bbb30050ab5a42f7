"""Matrix products whose weights have a scale a block of inputs, as ONNX's DequantizeLinear-21 has it (`block_size`).

Their kernels read float activations, so that the activations are not quantized and the bias stays float: MatMulNBits in
ONNX Runtime, FullyConnected with compressed weights in OpenVINO, a fused product in TensorRT.
"""

from __future__ import annotations

from types import MappingProxyType

from gdfq_export.targets.table import Kernel, Output, Rule

BLOCK_BITS = 4
"""Bits of such weights; the only type that all three have kernels for."""

BLOCK_RULES = MappingProxyType(
    {"Gemm": Rule(kernel=Kernel.WEIGHT_ONLY, activations=(), weight=1, weight_axis=0, output=Output.OWN_SCALE_OR_FLOAT)}
)
"""They take the place of a target's own rules for these operators; in the canonical graph every product of [N, inputs]
and a constant is a Gemm."""
