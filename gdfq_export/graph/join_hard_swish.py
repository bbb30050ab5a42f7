"""x * HardSigmoid(x) with the numbers of HardSwish (ONNX HardSwish-14) as that one operator.

The canonical graph has it in two, so that each may get an integer kernel; what stayed in float is joined again when the
file is written, since runtimes have kernels for the whole.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

__all__ = ["join_hard_swish"]


def join_hard_swish(graph: ir.Graph) -> None:
    """Put a HardSwish in the place of every such pair."""
    for node in list(graph):
        if node.op_type != "Mul" or (x := _gated_by_itself(node)) is None:
            continue
        joined = ir.node("HardSwish", [x], name=node.name)
        ir.convenience.replace_nodes_and_values(graph, node, [node], [joined], [node.outputs[0]], [joined.outputs[0]])


def _gated_by_itself(product: ir.Node) -> ir.Value | None:
    for gate, x in (product.inputs, reversed(product.inputs)):
        node = None if gate is None else gate.producer()
        if node is None or node.op_type != "HardSigmoid" or node.inputs[0] is not x:
            continue
        numbers = node.attributes.get_float("alpha", 0.2), node.attributes.get_float("beta", 0.5)
        if np.allclose(numbers, (1 / 6, 0.5), rtol=1e-6) and len(list(node.outputs[0].uses())) == 1:
            return x
    return None
