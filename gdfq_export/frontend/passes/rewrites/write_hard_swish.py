"""How a HardSigmoid that stays in float is written: in the forms that runtimes have kernels for.

The inverse of `recognize_hard_swish.py`, for the numbers of ONNX HardSwish-14 alone:

1. `Mul(x, HardSigmoid(x))` becomes `HardSwish(x)`.
2. `HardSigmoid(x)` becomes `Clip(x + 3, 0, 6) / 6`, which OpenVINO reads as its HSigmoid and computes inside a layer;
   ONNX's own HardSigmoid it computes one number at a time, between two changes of layout.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import add_initializer, unused_name
from gdfq_export.frontend.passes.rewrites.recognize_hard_swish import is_of_hard_swish


def join_hard_swish(graph: ir.Graph) -> None:
    """Rule 1, everywhere."""
    for node in list(graph):
        gate = _own_gate(node) if node.op_type == "Mul" else None
        if gate is not None:
            joined = ir.node("HardSwish", [gate.inputs[0]], name=node.name)
            ir.convenience.replace_nodes_and_values(
                graph, node, [node, gate], [joined], [node.outputs[0]], [joined.outputs[0]]
            )


def spell_hard_sigmoid(graph: ir.Graph) -> None:
    """Rule 2, everywhere."""
    gates = [node for node in graph if is_of_hard_swish(node)]
    if not gates:
        return
    numbers = {"three": 3.0, "zero": 0.0, "six": 6.0}
    shift, low, high = (
        add_initializer(graph, name, np.asarray(number, np.float32)) for name, number in numbers.items()
    )
    for gate in gates:
        name = gate.outputs[0].name
        shifted = _node(graph, "Add", [gate.inputs[0], shift], f"{name}_shifted")
        kept = _node(graph, "Clip", [shifted.outputs[0], low, high], f"{name}_kept")
        divided = ir.node("Div", [kept.outputs[0], high], name=gate.name)
        ir.convenience.replace_nodes_and_values(
            graph, gate, [gate], [shifted, kept, divided], [gate.outputs[0]], [divided.outputs[0]]
        )


def _own_gate(product: ir.Node) -> ir.Node | None:
    """The gate that the product alone reads and multiplies with the gate's own input."""
    for gate, x in (product.inputs, reversed(product.inputs)):
        node = None if gate is None else gate.producer()
        alone = node is not None and len(list(node.outputs[0].uses())) == 1
        if node is not None and alone and is_of_hard_swish(node) and node.inputs[0] is x:
            return node
    return None


def _node(graph: ir.Graph, op_type: str, inputs: list[ir.Value | None], output: str) -> ir.Node:
    node = ir.node(op_type, inputs, name="")
    node.outputs[0].name = unused_name(graph, output)
    return node
