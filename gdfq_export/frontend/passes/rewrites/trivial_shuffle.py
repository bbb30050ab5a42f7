"""A channel shuffle of one group moves nothing and is left out."""

from __future__ import annotations

import onnx_ir as ir


class TrivialShufflePass(ir.passes.InPlacePass):
    """Remove `Reshape -> Transpose -> Reshape` where the Transpose moves axes of size 1 alone (ShuffleNet, 1 group).

    1. Each is the only reader of the one before, and the last is not the graph's output.
    2. What goes in has the shape of what comes out.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Rewrite the main graph; shapes must be known."""
        modified = False
        for node in list(model.graph):
            if node.op_type == "Transpose" and _moves_nothing(node):
                modified = _remove(model.graph, node) or modified
        return ir.passes.PassResult(model, modified)


def _moves_nothing(node: ir.Node) -> bool:
    value, order = node.inputs[0], node.attributes.get_ints("perm", [])
    if value is None or value.shape is None or len(order) != len(value.shape):
        return False
    moved = [axis for axis in order if value.shape[axis] != 1]
    return moved == sorted(moved)


def _remove(graph: ir.Graph, transpose: ir.Node) -> bool:
    value = transpose.inputs[0]
    first = None if value is None else value.producer()
    users = [user for user, _ in transpose.outputs[0].uses()]
    if first is None or first.op_type != "Reshape" or len(users) != 1 or users[0].op_type != "Reshape":
        return False
    last, source = users[0], first.inputs[0]
    outputs = [node.outputs[0] for node in (first, transpose, last)]
    if source is None or source.shape is None or source.shape != last.outputs[0].shape:
        return False
    if len(list(first.outputs[0].uses())) != 1 or any(output.is_graph_output() for output in outputs):
        return False
    ir.convenience.replace_all_uses_with(last.outputs[0], source)
    graph.remove([last, transpose, first], safe=True)
    return True
