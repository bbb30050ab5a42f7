"""The integer weights of a file, as a histogram of their codes: what rounding did to each layer, at a look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from gdfq_export.verify.constants import constant_tensors
from gdfq_export.verify.histogram import Histogram, code_histogram

__all__ = ["WeightCodes", "weight_codes"]

_MOST_BINS = 64
_LAYERS = ("Conv", "Gemm", "MatMul", "ConvTranspose")
_MAKERS = ("Cast", "QuantizeLinear")


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightCodes:
    """Weights of `node`: how many, in how many channels of their own scale, and the codes they take.

    `at_limits` is the share of codes that are the smallest or largest there; `unused_channels` say 0 throughout.
    """

    node: str
    op_type: str
    tensor: str
    elements: int
    scales: int
    scale_low: float
    scale_high: float
    code_low: int
    code_high: int
    at_limits: float
    unused_channels: int
    histogram: Histogram


def weight_codes(model: onnx.ModelProto) -> tuple[WeightCodes, ...]:
    """Of every layer whose weights are integers in the file, in graph order.

    Also behind a Cast from INT4, and float weights behind a QuantizeLinear, which the runtime makes integers.
    """
    constants = constant_tensors(model)
    producers = {output: node for node in model.graph.node for output in node.output}
    found = []
    for node in model.graph.node:
        if node.op_type not in _LAYERS or len(node.input) < 2:
            continue
        real = producers.get(node.input[1])
        while real is not None and real.op_type == "Transpose":
            real = producers.get(real.input[0])
        if real is None or real.op_type != "DequantizeLinear" or real.input[1] not in constants:
            continue
        maker = producers.get(real.input[0])
        tensor = maker.input[0] if maker is not None and maker.op_type in _MAKERS else real.input[0]
        if tensor in constants:
            rounds = maker is not None and maker.op_type == "QuantizeLinear"
            found.append(_describe(node, constants, constants[tensor], real, rounds))
    return tuple(found)


def _describe(
    node: onnx.NodeProto,
    constants: Mapping[str, onnx.TensorProto],
    stored: onnx.TensorProto,
    real: onnx.NodeProto,
    rounds: bool,
) -> WeightCodes:
    axis = next((attribute.i for attribute in real.attribute if attribute.name == "axis"), 1)
    values, scale = numpy_helper.to_array(stored), numpy_helper.to_array(constants[real.input[1]])
    zero = constants.get(real.input[2]) if len(real.input) > 2 else None
    zero_point = np.zeros(1, np.int32) if zero is None else numpy_helper.to_array(zero).astype(np.int32)
    zero_point = _beside(zero_point, axis, values.shape)
    if rounds:
        limits = (0, 255) if zero is None or zero.data_type == onnx.TensorProto.UINT8 else (-128, 127)
        values = np.clip(np.rint(values / _beside(scale, axis, values.shape)) + zero_point, *limits)
    codes = values.astype(np.int32)
    low, high = int(codes.min()), int(codes.max())
    silent = codes == zero_point
    rows = np.moveaxis(silent, axis, 0).reshape(codes.shape[axis], -1) if scale.size > 1 else silent.reshape(1, -1)
    return WeightCodes(
        node=node.name or node.output[0],
        op_type=node.op_type,
        tensor=stored.name,
        elements=codes.size,
        scales=int(scale.size),
        scale_low=float(scale.min()),
        scale_high=float(scale.max()),
        code_low=low,
        code_high=high,
        at_limits=float(((codes == low) | (codes == high)).mean()),
        unused_channels=int(rows.all(axis=1).sum()),
        histogram=code_histogram(codes, _MOST_BINS),
    )


def _beside(numbers: NDArray[Any], axis: int, shape: tuple[int, ...]) -> NDArray[Any]:
    """Scales or zero points so that they broadcast with weights of `shape`: one, one a channel, or one a block."""
    if numbers.size == 1:
        return numbers.reshape([1] * len(shape))
    if numbers.ndim == 1:
        return np.moveaxis(numbers.reshape(-1, *[1] * (len(shape) - 1)), 0, axis)
    block = -(-shape[axis] // numbers.shape[axis])
    return np.repeat(numbers, block, axis).take(range(shape[axis]), axis)
