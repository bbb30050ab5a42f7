"""Multiply-accumulates of a layer: what its bit operations are counted from."""

from __future__ import annotations

import math

import onnx_ir as ir


def multiply_accumulates(layer: ir.Node) -> int:
    """Products that a Conv, ConvTranspose, Gemm or MatMul with constant weights sums up for one image.

    Args:
        layer: of a canonical graph, where only the batch has no fixed size. Each weight is used once for each place of
            the output, [N, C, H, W] or [N, ..., C]; of a ConvTranspose, for each place of the input.
    """
    weight, data = layer.inputs[1], layer.inputs[0] if layer.op_type == "ConvTranspose" else layer.outputs[0]
    assert weight is not None and weight.const_value is not None and data is not None and data.shape is not None
    sizes = list(data.shape)[2:] if "Conv" in layer.op_type else list(data.shape)[1:-1]
    return weight.const_value.size * math.prod(size for size in sizes if isinstance(size, int))
