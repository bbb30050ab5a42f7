"""Histograms of the integer weights of each layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from gdfq_export.frontend.passes.constants.constant import input_at
from gdfq_export.metrics.histogram import Histogram, code_histogram
from gdfq_export.qdq.reader.layers import QdqLayer, read_layers
from gdfq_export.qdq.reader.model import QdqModel
from gdfq_export.qdq.reader.nodes import QdqNode
from gdfq_export.targets.operator_traits import KEEPS_ALL_ELEMENTS

_MOST_BINS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightCodes:
    """The integer weights of `node`: `elements` with `scale_count` scales, values from `code_min` to `code_max`.

    `at_range_limits_fraction` is the fraction at the smallest or largest value; `zero_channels` hold nothing but zeros.
    """

    node: str
    op_type: str
    tensor: str
    elements: int
    scale_count: int
    scale_min: float
    scale_max: float
    code_min: int
    code_max: int
    at_range_limits_fraction: float
    zero_channels: int
    histogram: Histogram


def weight_codes(file: onnx.ModelProto | QdqModel) -> tuple[WeightCodes, ...]:
    """Of every layer whose weights are integers in the file, in graph order.

    Also behind a Cast from INT4, and float weights behind a QuantizeLinear, which the runtime makes integers.

    Raises:
        InputError: the graph is not one that ONNX allows.
    """
    model = QdqModel.of(file)
    found = []
    for layer in read_layers(model, KEEPS_ALL_ELEMENTS):
        pair = layer.weight
        codes = None if pair is None else model.numbers(pair.codes)
        if pair is not None and pair.scale is not None and codes is not None and codes.size:
            found.append(_describe(layer, pair, np.asarray(codes, np.int32), pair.scale))
    return tuple(found)


def _describe(layer: QdqLayer, pair: QdqNode, codes: NDArray[np.int32], scale: NDArray[Any]) -> WeightCodes:
    axis = 0 if pair.axis is None else pair.axis
    zero = np.zeros(()) if pair.zero_point is None else pair.zero_point
    low, high = int(codes.min()), int(codes.max())
    silent = codes == _beside(zero, axis, codes.shape)
    rows = np.moveaxis(silent, axis, 0).reshape(codes.shape[axis], -1) if scale.size > 1 else silent.reshape(1, -1)
    return WeightCodes(
        node=layer.name,
        op_type=layer.op_type,
        tensor=_stored(pair.codes),
        elements=codes.size,
        scale_count=int(scale.size),
        scale_min=float(scale.min()),
        scale_max=float(scale.max()),
        code_min=low,
        code_max=high,
        at_range_limits_fraction=float(((codes == low) | (codes == high)).mean()),
        zero_channels=int(rows.all(axis=1).sum()),
        histogram=code_histogram(codes, _MOST_BINS),
    )


def _stored(codes: ir.Value) -> str:
    """Name of the array in the file that codes are made of."""
    value, maker = codes, codes.producer()
    while maker is not None and (before := input_at(maker, 0)) is not None:
        value, maker = before, before.producer()
    return value.name or ""


def _beside(numbers: NDArray[Any], axis: int, shape: tuple[int, ...]) -> NDArray[Any]:
    """Scales or zero points so that they broadcast with weights of `shape`: one, one a channel, or one a block."""
    if numbers.size == 1:
        return numbers.reshape([1] * len(shape))
    if numbers.ndim == 1:
        return np.moveaxis(numbers.reshape(-1, *[1] * (len(shape) - 1)), 0, axis)
    block = -(-shape[axis] // numbers.shape[axis])
    return np.repeat(numbers, block, axis).take(range(shape[axis]), axis)
