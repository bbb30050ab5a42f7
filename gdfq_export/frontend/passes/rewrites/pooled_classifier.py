"""A classifier written as a 1x1 convolution: pool first, then multiply once.

A 1x1 convolution and a mean over positions are both linear and act on different axes, so they commute: mean(W x + b) =
W mean(x) + b. Pooling first costs H * W times less, and on a 1x1 map the convolution is a Gemm, whose logits integer
runtimes can leave in float.
"""

from __future__ import annotations

import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import add_initializer, constant_array, input_at, unused_name


class PooledClassifierPass(ir.passes.InPlacePass):
    """Move a plain 1x1 convolution behind the global pooling, then make it a Gemm.

    A plain 1x1 convolution has one group, stride 1, no padding, constant weights and one consumer.

    1. `Conv 1x1 -> GlobalAveragePool` becomes `GlobalAveragePool -> Conv 1x1`.
    2. `Conv 1x1 (x [N, C, 1, 1]) -> Flatten(axis=1)` becomes `Flatten -> Gemm`.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Rewrite the main graph; shapes must be known."""
        modified = False
        for node in list(model.graph):
            consumer = _only_consumer(node) if _is_plain(node) else None
            if consumer is not None and consumer.op_type == "GlobalAveragePool":
                _pool_first(model.graph, node, consumer)
                consumer = _only_consumer(node)
                modified = True
            if consumer is not None and _flattens_a_point(node, consumer):
                _to_gemm(model.graph, node, consumer)
                modified = True
        return ir.passes.PassResult(model, modified)


def _is_plain(node: ir.Node) -> bool:
    if node.op_type != "Conv" or node.attributes.get_int("group", 1) != 1:
        return False
    weight, bias = constant_array(node.inputs[1]), input_at(node, 2)
    if weight is None or weight.ndim != 4 or weight.shape[2:] != (1, 1):
        return False
    if bias is not None and constant_array(bias) is None:
        return False
    return set(node.attributes.get_ints("strides", [1])) == {1} and not any(node.attributes.get_ints("pads", [0]))


def _only_consumer(node: ir.Node) -> ir.Node | None:
    output = node.outputs[0]
    users = [user for user, _ in output.uses()]
    return users[0] if len(users) == 1 and not output.is_graph_output() else None


def _pool_first(graph: ir.Graph, conv: ir.Node, pool: ir.Node) -> None:
    """Make x -> conv -> pool -> y become x -> pool -> conv -> y; the value between them is new."""
    x, between, y = conv.inputs[0], conv.outputs[0], pool.outputs[0]
    assert x is not None and x.shape is not None
    name = str(y.name)
    y.replace_all_uses_with(between, replace_graph_outputs=True)
    pool.replace_input_with(0, x)
    conv.replace_input_with(0, y)
    graph.remove(pool)
    graph.insert_before(conv, pool)
    between.shape = y.shape
    y.name, y.shape = unused_name(graph, f"{x.name}_pooled"), ir.Shape([*list(x.shape)[:2], 1, 1])
    between.name = name


def _flattens_a_point(conv: ir.Node, consumer: ir.Node) -> bool:
    x = conv.inputs[0]
    if x is None or x.shape is None or list(x.shape)[2:] != [1, 1]:
        return False
    return consumer.op_type == "Flatten" and consumer.attributes.get_int("axis", 1) == 1


def _to_gemm(graph: ir.Graph, conv: ir.Node, flatten: ir.Node) -> None:
    """Make x -> conv -> flatten -> y become x -> flatten -> Gemm -> y, under the convolution's name."""
    x, weight, bias, y = conv.inputs[0], conv.inputs[1], input_at(conv, 2), flatten.outputs[0]
    array = constant_array(weight)
    assert x is not None and x.shape is not None and weight is not None and array is not None
    flat = ir.node("Flatten", [x], {"axis": 1}, name=flatten.name)
    flat.outputs[0].name = unused_name(graph, f"{x.name}_flat")
    flat.outputs[0].type, flat.outputs[0].shape = x.type, ir.Shape(list(x.shape)[:2])
    matrix = add_initializer(graph, f"{weight.name}", array.reshape(array.shape[:2]))
    inputs = [flat.outputs[0], matrix] if bias is None else [flat.outputs[0], matrix, bias]
    gemm = ir.node("Gemm", inputs, {"transB": 1}, name=conv.name)
    ir.convenience.replace_nodes_and_values(graph, flatten, [flatten, conv], [flat, gemm], [y], [gemm.outputs[0]])
