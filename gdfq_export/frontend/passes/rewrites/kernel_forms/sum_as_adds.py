"""A Sum or Mean of any number of values is a chain of Adds: runtimes have an integer kernel for the sum of two."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import add_initializer, unused_name


class SumAsAddsPass(ir.passes.InPlacePass):
    """Rewrite ONNX Sum-13 and Mean-13, whose inputs broadcast as those of Add do.

    1. `y = Sum(a, b, c)` becomes `y_sum_1 = Add(a, b)`, `y = Add(y_sum_1, c)`: the sums of ONNX Runtime, in its order.
    2. `y = Mean(a, b, c)` becomes these Adds and `y = Mul(sum, 1 / 3)`, which rounds as `ConstantArithmeticPass` does.
    3. `Sum(a)` and `Mean(a)` become an Identity, for the elimination of Identity to remove.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Rewrite the main graph."""
        modified = False
        for node in list(model.graph):
            if node.op_type in ("Sum", "Mean"):
                _rewrite(model.graph, node)
                modified = True
        return ir.passes.PassResult(model, modified)


def _rewrite(graph: ir.Graph, node: ir.Node) -> None:
    y, count = node.outputs[0], len(node.inputs)
    value, *others = node.inputs
    operations = [("Add", other) for other in others]
    if node.op_type == "Mean" and count > 1:
        operations.append(("Mul", add_initializer(graph, f"{y.name}_share", np.asarray(1 / count, np.float32))))
    made: list[ir.Node] = []
    for index, (op_type, other) in enumerate(operations, 1):
        last = index == len(operations)
        made.append(ir.node(op_type, [value, other], name=node.name if last else f"{node.name}_{index}"))
        value = made[-1].outputs[0]
        value.type = y.type
        if not last:
            value.name = unused_name(graph, f"{y.name}_sum_{index}")
    if not made:
        node.op_type = "Identity"
        return
    ir.convenience.replace_nodes_and_values(graph, node, [node], made, [y], [made[-1].outputs[0]])
