"""Integers in the place of a float initializer, and the DequantizeLinear that is read instead.

* weight       int8 initializer -> DequantizeLinear per channel, with its zero points; up to 4 bits, where the target's
               weights are packed, an INT4 or INT2 initializer -> Cast -> the same, which ONNX Runtime folds when it
               loads; native ones without the Cast
* weight in blocks  INT4 initializer [inputs, outputs] -> DequantizeLinear a block of inputs, read by a MatMul in the
               place of a Gemm (`gemm_as_product.py`)
* bias         int32 initializer -> DequantizeLinear; its scale is Mul(activation scale, weight scale), folded when the
               file is loaded
* constant     uint8 initializer -> DequantizeLinear
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

from gdfq_export.planning.plan import QuantPoint, Role
from gdfq_export.qdq.writer.written_graph import WrittenGraph, scale_name
from gdfq_export.simulator import quantized_name
from gdfq_export.targets import Kernel
from gdfq_export.targets.subbyte_types import NARROW_TYPES


def bias_scale_names(written: WrittenGraph) -> Iterator[str]:
    """Short names for the scales of biases that are no value's yet: `bias_scale_1`, ..."""
    names = map("bias_scale_{}".format, itertools.count(1))
    return (name for name in names if name not in written.values)


def write_constant(written: WrittenGraph, point: QuantPoint, names: Iterator[str]) -> None:
    """Store the codes of `point` and let its consumers read them dequantized; `names` has one for a bias's scale."""
    encoding = written.encodings[point.key]
    codes, scale = encoding.codes, encoding.scale
    assert codes is not None
    if point.block is not None:
        axis = point.block_axis
        assert axis is not None
        if _becomes_products(written, point):
            codes, scale, axis = codes.T, scale.T, 0
        inputs = [_stored(written, point, codes), written.constant(scale_name(point.key), scale)]
        written.dequantize(point, inputs, {"axis": axis, "block_size": point.block})
        return
    stored = _stored(written, point, codes)
    if point.role is Role.BIAS:
        inputs = [stored, _bias_scale(written, point, next(names))]
    else:
        inputs = [stored, written.constant(scale_name(point.key), scale), written.zero_points(point, scale.shape)]
    written.dequantize(point, inputs, {} if point.axis is None else {"axis": point.axis})


def products_of_blocks(written: WrittenGraph) -> list[ir.Node]:
    """The Gemms that have to become a MatMul, because their weights have a scale a block of inputs."""
    points = [point for point in written.plan.points if point.block is not None and _becomes_products(written, point)]
    return [written.nodes[name] for name in dict.fromkeys(name for point in points for name in point.consumers)]


def _becomes_products(written: WrittenGraph, point: QuantPoint) -> bool:
    readers = [written.nodes[name] for name in point.consumers]
    return point.block_axis == 1 and all(written.planned(node).kernel is Kernel.WEIGHT_ONLY for node in readers)


def _stored(written: WrittenGraph, point: QuantPoint, codes: np.ndarray) -> ir.Value:
    if point.stored_bits not in NARROW_TYPES:
        return written.constant(quantized_name(point.key), codes)
    narrow = NARROW_TYPES[point.stored_bits]
    if point.native:
        return written.constant(quantized_name(point.key), codes.astype(narrow.dtype))
    packed = written.constant(f"{point.key}_{narrow.dtype.name}", codes.astype(narrow.dtype))
    return written.node("Cast", [packed], quantized_name(point.key), {"to": ir.DataType.INT8})


def _bias_scale(written: WrittenGraph, point: QuantPoint, name: str) -> ir.Value:
    """s_x * s_w in the graph: it cannot disagree with its factors, and needs no room in the file."""
    layer = written.nodes[point.consumers[0]]
    return written.node("Mul", [_scale_read_by(layer, index) for index in (0, 1)], name)


def _scale_read_by(node: ir.Node, index: int) -> ir.Value:
    real = node.inputs[index]
    source = real.producer() if real is not None else None
    assert source is not None and source.op_type == "DequantizeLinear"
    scale = source.inputs[1]
    assert scale is not None
    return scale
