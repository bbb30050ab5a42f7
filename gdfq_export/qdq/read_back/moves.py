"""What a runtime makes of operators: past which it carries a Q/DQ pair, and under which name a plan speaks of them."""

from __future__ import annotations

import onnx_ir as ir

from gdfq_export.planning.placement import rule_of
from gdfq_export.targets import Kernel, Target
from gdfq_export.targets.ort_cpu import PAIRS_PASS


def end_of_moves(value: ir.Value, target: Target) -> ir.Value:
    """What operators that move make of a value that they alone read."""
    while not value.is_graph_output():
        users = [user for user, _ in value.uses()]
        if len(users) != 1 or not is_move(users[0], target):
            return value
        value = users[0].outputs[0]
    return value


def is_move(node: ir.Node, target: Target) -> bool:
    """Whether a node moves elements, and codes just the same."""
    rule = rule_of(target, node)
    return rule is not None and rule.kernel is Kernel.MOVE and node.op_type in PAIRS_PASS


def operator_in_plan(node: ir.Node) -> str:
    """The operator that a plan speaks of: the writer joins a HardSwish of the gate and its product."""
    return "HardSigmoid" if node.op_type == "HardSwish" else node.op_type
