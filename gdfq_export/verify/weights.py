"""The integer weights of a file, as a histogram of their codes: what rounding did to each layer, at a look."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

from gdfq_export.verify.layers import Histogram

__all__ = ["WeightCodes", "weight_codes"]

_MOST_BINS = 64
_LAYERS = ("Conv", "Gemm", "MatMul", "ConvTranspose")


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
    """Of every layer whose weights are integers in the file, also behind a Cast from INT4; in graph order."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    producers = {output: node for node in model.graph.node for output in node.output}
    found = []
    for node in model.graph.node:
        if node.op_type not in _LAYERS or len(node.input) < 2:
            continue
        real = producers.get(node.input[1])
        while real is not None and real.op_type == "Transpose":
            real = producers.get(real.input[0])
        if real is None or real.op_type != "DequantizeLinear":
            continue
        cast = producers.get(real.input[0])
        stored = constants.get(cast.input[0] if cast is not None and cast.op_type == "Cast" else real.input[0])
        scale = constants.get(real.input[1])
        if stored is None or scale is None:
            continue
        axis = next((attribute.i for attribute in real.attribute if attribute.name == "axis"), 1)
        zero = constants.get(real.input[2]) if len(real.input) > 2 else None
        nothing = 0 if zero is None else int(numpy_helper.to_array(zero).astype(np.int32).flat[0])
        found.append(_describe(node, stored, numpy_helper.to_array(scale), axis, nothing))
    return tuple(found)


def _describe(
    node: onnx.NodeProto, stored: onnx.TensorProto, scale: np.ndarray, axis: int, nothing: int
) -> WeightCodes:
    codes = numpy_helper.to_array(stored).astype(np.int32)
    low, high = int(codes.min()), int(codes.max())
    bins = min(_MOST_BINS, high - low + 1)
    counts = np.histogram(codes, bins=bins, range=(low - 0.5, high + 0.5))[0]
    rows = np.moveaxis(codes, axis, 0).reshape(codes.shape[axis], -1) if scale.size > 1 else codes.reshape(1, -1)
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
        unused_channels=int((rows == nothing).all(axis=1).sum()),
        histogram=Histogram(low=low - 0.5, high=high + 0.5, counts=tuple(map(int, counts))),
    )
