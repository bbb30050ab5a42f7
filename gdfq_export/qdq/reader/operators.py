"""Operators on codes as the Q/DQ pairs that they stand for, so that one reader reads both forms.

A QOperator file computes `QLinearConv(x, x_scale, x_zero, w, ..., y_scale, y_zero, bias)` where a Q/DQ file has
DequantizeLinear of x, w and the bias, Conv, and QuantizeLinear; a dynamic file has ConvInteger behind
DynamicQuantizeLinear, which measures the scale of each input. Names of codes stay, so that what is read can be compared
with what the file itself computes. An If whose condition is stored is read as its branch.

Operators: ONNX's own, and those of ONNX Runtime (`docs/ContribOperators.md`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import add_initializer, constant_array, input_at, unused_name
from gdfq_export.qdq.reader.nodes import producer_of


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorForm:
    """What an operator on codes stands for, and where its operands are: codes, scale, zero point, in this order.

    `operands` are the positions of their codes, `result` that of the result's scale, `bias` that of int32 codes.
    """

    op_type: str
    operands: Sequence[int] = (0, 3)
    result: int = 6
    bias: int | None = None


FORMS = {
    "QLinearConv": OperatorForm(op_type="Conv", bias=8),
    "QLinearMatMul": OperatorForm(op_type="MatMul"),
    "QGemm": OperatorForm(op_type="Gemm", result=7, bias=6),
    "QLinearAdd": OperatorForm(op_type="Add"),
    "QLinearMul": OperatorForm(op_type="Mul"),
    "QLinearConcat": OperatorForm(op_type="Concat", operands=range(2, 1000, 3), result=0),
} | {
    f"QLinear{op_type}": OperatorForm(op_type=op_type, operands=(0,), result=3)
    for op_type in ("AveragePool", "GlobalAveragePool", "LeakyRelu", "Sigmoid", "Softmax")
}
_OWN_ATTRIBUTES = ("channels_last", "opset")  # of ONNX Runtime's operators, not of those they stand for
_DYNAMIC = {"ConvInteger": "Conv", "MatMulInteger": "MatMul"}


def as_qdq(model: ir.Model) -> ir.Model:
    """The same model, changed in place, with Q/DQ pairs in place of operators on codes."""
    graph = model.graph
    for node in [node for node in graph if node.op_type == "If"]:
        _inline(graph, node)
    for node in list(graph):
        if node.op_type in FORMS and not node.attributes.get_int("channels_last", 0):
            _replace(graph, node, FORMS[node.op_type])
        elif node.op_type in _DYNAMIC:
            _replace_dynamic(graph, node)
        elif node.op_type == "DynamicQuantizeLinear":
            node.outputs[0].dtype = node.outputs[2].dtype = ir.DataType.UINT8
    return model


def _inline(graph: ir.Graph, node: ir.Node) -> None:
    """Put the branch of an If in its place; names of a branch occur nowhere else in a file."""
    condition = constant_array(input_at(node, 0))
    if condition is None or condition.size != 1:
        return
    branch = node.attributes["then_branch" if condition.item() else "else_branch"].as_graph()
    for stored in [*branch.initializers.values()]:
        branch.initializers.pop(str(stored.name))
        graph.register_initializer(stored)
    outputs, body = [*branch.outputs], [*branch]
    branch.outputs.clear()
    branch.remove(body)
    graph.insert_before(node, body)
    for mine, theirs in zip(node.outputs, outputs, strict=True):
        _take_place(mine, theirs)
    graph.remove(node, safe=True)


def _replace(graph: ir.Graph, node: ir.Node, form: OperatorForm) -> None:
    """Pairs around the operator that `node` stands for."""
    operands = [node.inputs[index : index + 3] for index in form.operands if index < len(node.inputs)]
    floats = [_dequantized(graph, node, node, *operand) for operand in operands]
    bias = None if form.bias is None else input_at(node, form.bias)
    if bias is not None:
        step = _inserted(graph, node, "Mul", [operand[1] for operand in operands], f"{bias.name}_scale")
        floats.append(_dequantized(graph, node, node, bias, step, None))
    codes, scale = node.outputs[0], input_at(node, form.result)
    result = _layer(graph, node, node, form.op_type, floats)
    if scale is not None:
        numbers = [scale, input_at(node, form.result + 1)]
        result = _inserted(graph, node, "QuantizeLinear", [result, *numbers], f"{codes.name}_quantize")
    _take_place(codes, result)
    graph.remove(node, safe=True)


def _replace_dynamic(graph: ir.Graph, node: ir.Node) -> None:
    """A layer in place of an integer one, the Cast behind it, and the Mul by the scales of both operands."""
    writer, cast = producer_of(input_at(node, 0)), _only_reader(node.outputs[0], "Cast")
    product = None if cast is None else _only_reader(cast.outputs[0], "Mul")
    if cast is None or product is None or writer is None or writer.op_type != "DynamicQuantizeLinear":
        return
    factors = [maker for maker in map(producer_of, product.inputs) if maker is not None and maker.op_type == "Mul"]
    scales = [value for maker in factors for value in maker.inputs if value is not writer.outputs[1]]
    if len(scales) != 1:
        return
    operands = ((0, writer.outputs[1], 2), (1, scales[0], 3))  # positions of codes and zero point, and the scale
    floats = [_dequantized(graph, node, product, input_at(node, i), s, input_at(node, z)) for i, s, z in operands]
    _take_place(product.outputs[0], _layer(graph, node, product, _DYNAMIC[node.op_type], floats))
    for gone in (product, cast, node):
        graph.remove(gone, safe=True)


def _only_reader(value: ir.Value, op_type: str) -> ir.Node | None:
    users = [user for user, _ in value.uses()]
    return users[0] if len(users) == 1 and users[0].op_type == op_type else None


def _dequantized(graph: ir.Graph, node: ir.Node, before: ir.Node, *operand: ir.Value | None) -> ir.Value:
    """The floats of codes with a scale and a zero point; several scales lie along the output channels of a weight."""
    codes, scale, zero = operand
    assert codes is not None
    numbers, zeros, axis = constant_array(scale), constant_array(zero), 1
    if (
        codes.dtype is ir.DataType.INT32
        or "Conv" in node.op_type
        or ("transB" in node.attributes and node.attributes.get_int("transB"))
    ):
        axis = 0
    if numbers is not None and zeros is not None and zeros.size < numbers.size:  # one zero point for all of them
        zero = add_initializer(graph, f"{codes.name}_zero_points", np.full(numbers.shape, zeros.item(), zeros.dtype))
    inputs = [codes, scale] if zero is None else [codes, scale, zero]
    return _inserted(graph, before, "DequantizeLinear", inputs, f"{codes.name}_dequantized", {"axis": axis})


def _layer(
    graph: ir.Graph, node: ir.Node, before: ir.Node, op_type: str, floats: Sequence[ir.Value | None]
) -> ir.Value:
    """The operator that `node` stands for, with its name and attributes."""
    attributes = {name: value for name, value in node.attributes.items() if name not in _OWN_ATTRIBUTES}
    value = _inserted(graph, before, op_type, floats, f"{node.outputs[0].name}_float", attributes)
    producer = value.producer()
    if producer is not None:
        producer.name = node.name
    return value


def _inserted(
    graph: ir.Graph,
    before: ir.Node,
    op_type: str,
    inputs: Sequence[ir.Value | None],
    name: str,
    attributes: Mapping[str, Any] | None = None,
) -> ir.Value:
    node = ir.node(op_type, inputs, attributes or {}, name=unused_name(graph, name))
    node.outputs[0].name = node.name
    graph.insert_before(before, node)
    return node.outputs[0]


def _take_place(old: ir.Value, new: ir.Value) -> None:
    """Let `new` be read wherever `old` was, under its name."""
    old.replace_all_uses_with(new, replace_graph_outputs=True)
    name, old.name = old.name, None
    new.name, new.type, new.shape = name, old.type or new.type, old.shape or new.shape
