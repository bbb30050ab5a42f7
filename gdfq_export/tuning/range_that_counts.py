"""Where a tensor's values count: beyond it, what reads the tensor gives the same for all of them.

HardSwish (ONNX HardSwish-14) is 0 below -3, and HardSigmoid is constant on both sides. A range that is observed may end
there: in a PicoDet, an input of HardSwish reaches from -86 to 49, and its codes need to reach from -3 to 49.
"""

from __future__ import annotations

import math

import onnx_ir as ir

from gdfq_export.frontend.passes.rewrites.recognize_hard_swish import BREAKPOINT, is_of_hard_swish
from gdfq_export.planning.plan import QuantPlan, QuantPoint

EVERYTHING = (-math.inf, math.inf)
"""Where every value counts."""


def range_that_counts(graph: ir.Graph, plan: QuantPlan, point: QuantPoint) -> tuple[float, float]:
    """Lower and upper end for the values of a point; all numbers where others share its scale.

    Args:
        graph: the canonical graph.
        plan: its plan.
        point: the first of its group.
    """
    value = next((each for node in graph for each in node.outputs if each.name == point.tensor), None)
    shared = sum(other.group == point.group for other in plan.points) > 1
    return EVERYTHING if shared or value is None or value.is_graph_output() else _distinguished(value)


def _distinguished(value: ir.Value) -> tuple[float, float]:
    """Where the readers of a value tell its numbers apart."""
    readers = list(dict(value.uses()))
    gates = [node for node in readers if node.op_type == "HardSigmoid"]
    if gates and len(gates) == len(readers):
        ends = [_ends(gate) for gate in gates]
        return min(low for low, _ in ends), max(high for _, high in ends)
    others = [node for node in readers if node not in gates]
    if gates and all(map(is_of_hard_swish, gates)) and all(_is_product(node, value) for node in others):
        return -float(BREAKPOINT), math.inf
    return EVERYTHING


def _ends(gate: ir.Node) -> tuple[float, float]:
    """Where a HardSigmoid becomes 0 and 1."""
    alpha, beta = gate.attributes.get_float("alpha", 0.2), gate.attributes.get_float("beta", 0.5)
    return (-beta / alpha, (1 - beta) / alpha) if alpha > 0 else EVERYTHING


def _is_product(node: ir.Node, x: ir.Value) -> bool:
    """Whether the node multiplies x with the HardSigmoid of x that makes it a HardSwish."""
    others = [value for value in node.inputs if value is not x]
    if node.op_type != "Mul" or len(others) != 1 or others[0] is None:
        return False
    gate = others[0].producer()
    return gate is not None and is_of_hard_swish(gate) and gate.inputs[0] is x
