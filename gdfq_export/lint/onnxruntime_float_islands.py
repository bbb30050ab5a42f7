"""Nodes between two quantized places that ONNX Runtime computes in float, and why: an island costs two changes of type.

A node counts where its input comes from a DequantizeLinear and its result goes to a QuantizeLinear, through other float
nodes or at once. What leads to a float output alone is the way out of the network and no island.
"""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import input_at
from gdfq_export.lint.onnxruntime_fusion import ends_do_its_work, result_of
from gdfq_export.lint.rules import Broken, broken_rules
from gdfq_export.qdq.reader.model import QdqModel
from gdfq_export.qdq.reader.nodes import node_name, producer_of
from gdfq_export.runtimes.onnxruntime_operators import INTEGER_KERNELS
from gdfq_export.support.finding import Consequence, Finding
from gdfq_export.targets.operator_traits import LAYERS
from gdfq_export.targets.ort_cpu import PAIRS_PASS

_READS_ALL = ("Add", "Concat", "Mul")
_QDQ = ("QuantizeLinear", "DequantizeLinear")
_ACTIVATIONS = ("Relu", "Clip")


def island_findings(model: QdqModel) -> list[Finding]:
    """Every node of an island, in the order of the graph, and pairs that tear a layer and its activation apart."""
    between = _between(model)
    islands = [node for node in model.nodes if node in between]
    return broken_rules(model, [_why_float], islands) + broken_rules(model, [_torn_apart], model.nodes)


def _between(model: QdqModel) -> set[ir.Node]:
    """Nodes that a dequantized activation reaches and that reach a QuantizeLinear, over floats."""
    reached: set[ir.Node] = set()
    for node in model.nodes:
        makers = [producer_of(value) for value in node.inputs]
        if node.op_type not in _QDQ and any(
            maker is not None and (maker in reached or _dequantizes_activation(model, maker)) for maker in makers
        ):
            reached.add(node)
    reaching: set[ir.Node] = set()
    for node in reversed(model.nodes):
        users = [user for output in node.outputs for user, _ in output.uses()]
        if node.op_type not in _QDQ and any(user.op_type == "QuantizeLinear" or user in reaching for user in users):
            reaching.add(node)
    return reached & reaching


def _dequantizes_activation(model: QdqModel, node: ir.Node) -> bool:
    return node.op_type == "DequantizeLinear" and not model.is_constant(input_at(node, 0))


def _why_float(model: QdqModel, node: ir.Node) -> Iterator[Broken]:
    if node.op_type in LAYERS or node.op_type in _ACTIVATIONS or _changes_nothing(node):
        return  # layers have rules of their own; a Relu or Clip is fused into what is in front of it, float or not
    if node.op_type in PAIRS_PASS:
        yield from _scale_kept(model, node)
        return
    if node.op_type not in INTEGER_KERNELS:
        message = "ONNX Runtime has no integer kernel for it; what surrounds it has"
        yield "no integer kernel", Consequence.FLOAT, message
    if node.op_type not in _COMPUTES:
        return
    read = node.inputs if node.op_type in _READS_ALL else node.inputs[:1]
    floats = [value for value in read if value is not None and model.dequantized(value, PAIRS_PASS) is None]
    if floats:
        maker = producer_of(floats[0])
        source = f" (from {maker.op_type} {node_name(maker)})" if maker is not None else ""
        yield "pair missing", Consequence.FLOAT, f"its input {floats[0].name}{source} is not quantized"
        return
    result = result_of(model, node)
    if result.writer is None:
        yield "pair missing", Consequence.FLOAT, f"its result is not quantized: {result.readers} reads it"
    elif result.kept is not None:
        message = f"{result.kept.op_type} {node_name(result.kept)} behind it does more than the codes do by ending"
        yield "activation kept", Consequence.SLOWER, message


def _changes_nothing(node: ir.Node) -> bool:
    """Whether the node keeps a pair away from one that is to stay float (`planning/placement/separated.py`)."""
    if node.op_type == "LeakyRelu":
        return node.attributes.get_float("alpha", 0.01) == 1
    return node.op_type == "Sum" and len(node.inputs) == 1


_COMPUTES = (*_READS_ALL, "AveragePool", "GlobalAveragePool", "LeakyRelu", "Sigmoid", "Softmax")


def _scale_kept(model: QdqModel, node: ir.Node) -> Iterator[Broken]:
    """An operator that moves codes has one scale on both sides."""
    before = model.dequantized(input_at(node, 0))
    users = [user for user, _ in node.outputs[0].uses()]
    if before is None or len(users) != 1 or users[0].op_type != "QuantizeLinear":
        return
    after = model.read(users[0])
    if before.step is None or after.step is None or before.dtype is not after.dtype:
        return  # between 8 and 16 bits a new scale is wanted
    if before.step != after.step or str(before.zero_point) != str(after.zero_point):
        scales = f"numbers of the scale {before.step:.6g}, which are then quantized with {after.step:.6g}"
        yield "scale changes", Consequence.FLOAT, f"it moves {scales}; keep scale and zero point"


def _torn_apart(model: QdqModel, node: ir.Node) -> Iterator[Broken]:
    """No pair between a layer and its Relu or Clip, unless its codes already end where the activation cuts."""
    if node.op_type not in _ACTIVATIONS:
        return
    pair = model.dequantized(input_at(node, 0))
    writer = None if pair is None else model.writer(pair, frozenset({"Clip"}))
    layer = None if writer is None else producer_of(input_at(writer.node, 0))
    if writer is None or layer is None or layer.op_type not in LAYERS | {"Add"}:
        return
    if not ends_do_its_work(model, node, writer):
        where = f"a Q/DQ pair stands between {layer.op_type} {node_name(layer)} and it"
        yield "pair before an activation", Consequence.SLOWER, f"{where}; put it behind the {node.op_type}"
