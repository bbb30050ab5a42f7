"""Q/DQ behind a tensor that the network computes, or in front of the network.

* QuantizeLinear -> [Clip of the codes, below 8 bits] -> DequantizeLinear, read by the point's consumers; where a target
  clips values, [Relu or Clip] -> QuantizeLinear -> DequantizeLinear
* a node in integer form (Pad, SpaceToDepth) stands between the codes and their DequantizeLinear
* a HardSigmoid becomes a Clip of the codes it reads, or an Add whose result is quantized with one scale, and is read
  with another (`simulator/hard_sigmoid.py`)
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from gdfq_export.planning.placement.graph_nodes import is_product
from gdfq_export.planning.placement.separated import SEPARATOR_IN_FRONT, separator_behind
from gdfq_export.planning.plan import QuantPoint, Role
from gdfq_export.qdq.writer.written_graph import WrittenGraph, scale_name
from gdfq_export.simulator import quantized_name
from gdfq_export.simulator.hard_sigmoid import clip_form_of, sum_form
from gdfq_export.targets import Clip, Kernel


def write_activation(written: WrittenGraph, point: QuantPoint, clip: Clip) -> None:
    """Quantize the tensor of `point`; `clip` says where its limits are kept if they are not those of its type."""
    value = written.values[point.tensor]
    producer = value.producer()
    scale = written.constant(scale_name(point.group), written.encodings[point.key].scale)
    zero_point = written.zero_points(point, ())
    if producer is not None and written.planned(producer).kernel is Kernel.HARD_SIGMOID:
        codes = _hard_sigmoid(written, producer, point, clip, zero_point)
    elif producer is not None and written.planned(producer).integer_form:
        codes = _in_integer_form(written, producer, value, point)
    else:
        source = _separated(written, value, point)
        codes = _quantize(written, source, point, clip, (scale, zero_point))
    real = written.dequantize(point, [codes, scale, zero_point])
    if value.is_graph_output():
        _take_over_output(written.graph, value, real)


def _separated(written: WrittenGraph, value: ir.Value, point: QuantPoint) -> ir.Value:
    """The value, behind an operator that keeps the runtime from making one kernel of its node and the pair."""
    producer = value.producer()
    if producer is None or not written.planned(producer).separated:
        return value
    op_type, attributes = separator_behind(producer)
    return written.node(op_type, [value], f"{point.key}_separated", attributes)


def separate_products(written: WrittenGraph) -> None:
    """Put an operator in front of products of activations that stay float, and behind products that write floats."""
    for planned in written.plan.nodes:
        node = written.nodes[planned.node] if planned.separated else None
        if node is None:
            continue
        if planned.kernel is not None:
            op_type, attributes = separator_behind(node)
            uses = list(node.outputs[0].uses())
            passed = written.node(op_type, [node.outputs[0]], f"{node.outputs[0].name}_separated", attributes)
            for user, index in uses:
                user.replace_input_with(index, passed)
        elif is_product(node):
            op_type, attributes = SEPARATOR_IN_FRONT
            factor = written.node(op_type, [node.inputs[0]], f"{node.name}_factor", attributes)
            node.replace_input_with(0, factor)


def _quantize(
    written: WrittenGraph, value: ir.Value, point: QuantPoint, clip: Clip, grid: tuple[ir.Value, ir.Value]
) -> ir.Value:
    whole = point.code_range == point.storage_range
    if not whole and clip is Clip.VALUES:
        value = _clip_values(written, value, point)
    if whole or clip is Clip.VALUES:
        return written.node("QuantizeLinear", [value, *grid], quantized_name(point.key))
    wide = written.node("QuantizeLinear", [value, *grid], f"{point.key}_unclipped")
    dtype = point.dtype
    low, high = (written.constant(f"{dtype.name}_{code}", np.asarray(code, dtype)) for code in point.code_range)
    return written.node("Clip", [wide, low, high], quantized_name(point.key))


def _clip_values(written: WrittenGraph, value: ir.Value, point: QuantPoint) -> ir.Value:
    """Keep real values where the codes go; a scale times a code, divided by the scale, rounds to the code."""
    (low, high), (_, largest) = point.code_range, point.storage_range
    if low == 0 and high == largest:
        if point.role is Role.INPUT:  # never below 0
            return value
        return written.node("Relu", [value], f"{point.key}_clipped")
    scale = written.encodings[point.key].scale
    ends = {"low": np.float32(low) * scale, "high": np.float32(high) * scale}
    limits = [written.constant(f"{point.key}_{end}", np.asarray(limit)) for end, limit in ends.items()]
    return written.node("Clip", [value, *limits], f"{point.key}_clipped")


def _hard_sigmoid(
    written: WrittenGraph, node: ir.Node, point: QuantPoint, clip: Clip, zero_point: ir.Value
) -> ir.Value:
    """A Clip of codes where the encodings say so, else the Add that saturates where the function does."""
    value, x, encoding = node.outputs[0], node.inputs[0], written.encodings[point.key]
    source = x.producer() if x is not None else None
    assert source is not None and source.op_type == "DequantizeLinear"
    form = clip_form_of(point, written.plan, written.encodings)
    if form is not None:
        dtype = point.dtype
        limits = [written.constant(f"{dtype.name}_{code}", np.asarray(code, dtype)) for code in (form.low, form.high)]
        return written.node("Clip", [source.inputs[0], *limits], quantized_name(point.key), name=node.name)
    numbers = sum_form(node, encoding.scale)
    one = written.constant(f"{zero_point.name}_one", np.ones((), point.dtype))
    offset = written.node(
        "DequantizeLinear",
        [one, written.constant(f"{point.key}_offset", np.asarray(numbers.offset)), zero_point],
        f"{point.key}_offset_dq",
    )
    total = written.node("Add", [x, offset], f"{value.name}_sum", name=node.name)
    scale = written.constant(f"{point.key}_sum_scale", np.asarray(numbers.scale))
    return _quantize(written, total, point, clip, (scale, zero_point))


def _in_integer_form(written: WrittenGraph, node: ir.Node, value: ir.Value, point: QuantPoint) -> ir.Value:
    """Let a node read the codes behind its DequantizeLinear and write codes; its output `value` holds them."""
    real = node.inputs[0]
    source = real.producer() if real is not None else None
    assert source is not None and source.op_type == "DequantizeLinear"
    node.replace_input_with(0, source.inputs[0])
    if node.op_type == "Pad":
        _pad_with_code_of_zero(written, node, point)
    value.name = quantized_name(point.key)
    value.type = ir.TensorType(ir.DataType.from_numpy(point.dtype))  # the old one is shared
    return value


def _pad_with_code_of_zero(written: WrittenGraph, node: ir.Node, point: QuantPoint) -> None:
    if node.attributes.get_string("mode", "constant") != "constant":
        return
    zero = np.asarray(written.encodings[point.key].zero_point, point.dtype)
    node.resize_inputs(max(len(node.inputs), 3))
    node.replace_input_with(2, written.constant(f"{point.key}_padding", zero))


def _take_over_output(graph: ir.Graph, value: ir.Value, real: ir.Value) -> None:
    """`real` becomes the graph output that `value` was, under its name."""
    name = value.name
    value.name = f"{name}_float"
    real.name, real.shape, real.type = name, value.shape, value.type
    for index, output in enumerate(graph.outputs):
        if output is value:
            graph.outputs[index] = real
