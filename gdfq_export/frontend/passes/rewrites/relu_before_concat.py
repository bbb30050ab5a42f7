"""A Relu behind a Concat belongs to each of its branches."""

from __future__ import annotations

import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import unused_name

_COMPUTING = frozenset({"Add", "AveragePool", "BatchNormalization", "Conv", "Mul"})


class ReluBeforeConcatPass(ir.passes.InPlacePass):
    """Turn `Relu(Concat(a, b))` into `Concat(Relu(a), Relu(b))`, the same function.

    The branches are quantized before they are joined, and need no codes for what the Relu drops (ShuffleNet's units of
    stride 2).

    1. Nothing else reads the Concat, and the Concat alone reads each branch.
    2. Each branch is computed by an operator that a Relu can be fused into.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Rewrite all such pairs of the main graph."""
        modified = False
        for node in list(model.graph):
            if node.op_type == "Concat" and (relu := _only_relu(node)) is not None and _branches_fuse(node):
                self._move(model.graph, node, relu)
                modified = True
        return ir.passes.PassResult(model, modified)

    def _move(self, graph: ir.Graph, concat: ir.Node, relu: ir.Node) -> None:
        for index, branch in enumerate(concat.inputs):
            assert branch is not None
            moved = ir.node("Relu", [branch], name=f"{relu.name}_{index}")
            moved.outputs[0].name = unused_name(graph, f"{branch.name}_relu")
            graph.insert_before(concat, moved)
            concat.replace_input_with(index, moved.outputs[0])
        name = relu.outputs[0].name
        ir.convenience.replace_all_uses_with(relu.outputs[0], concat.outputs[0])
        graph.remove(relu, safe=True)
        concat.outputs[0].name = name


def _only_relu(concat: ir.Node) -> ir.Node | None:
    """The Relu that alone reads the Concat and is not the graph's output."""
    users = [user for user, _ in concat.outputs[0].uses()]
    if len(users) != 1 or users[0].op_type != "Relu" or concat.outputs[0].is_graph_output():
        return None
    return None if users[0].outputs[0].is_graph_output() else users[0]


def _branches_fuse(concat: ir.Node) -> bool:
    for branch in concat.inputs:
        producer = None if branch is None else branch.producer()
        if branch is None or producer is None or producer.op_type not in _COMPUTING:
            return False
        if len(list(branch.uses())) != 1 or branch.is_graph_output():
            return False
    return True
