"""Questions about single nodes of a canonical graph, and a walk along it."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable

import onnx_ir as ir

from gdfq_export.frontend.passes.rewrites.kernel_forms.clip_behind_clip import clip_bounds
from gdfq_export.targets import Rule, Target
from gdfq_export.targets.operator_traits import KEEPS_RANGE, MOVES_ELEMENTS

_BOUNDED = ("Clip", "HardSigmoid", "Relu")
_MOVES = MOVES_ELEMENTS | {"DepthToSpace", "SpaceToDepth"}
_WITHIN = KEEPS_RANGE - {"GlobalMaxPool", "Split"}  # whose results' zero points files have from calibration


def activation_bounds(node: ir.Node) -> tuple[float, float]:
    """Bounds that a Relu, Clip or HardSigmoid puts on its output; NaN where they are computed in the graph."""
    return (0.0, 1.0) if node.op_type == "HardSigmoid" else clip_bounds(node)


def bounds_of(value: ir.Value) -> tuple[float, float]:
    """Bounds that an activation puts on a value, directly or in front of operators that keep within them."""
    node = value.producer()
    while node is not None and node.op_type in _WITHIN:
        node = required(node, 0).producer()
    if node is None or node.op_type not in _BOUNDED:
        return -math.inf, math.inf
    low, high = activation_bounds(node)
    return (min(low, 0.0), max(high, 0.0)) if low <= high else (-math.inf, math.inf)


def reads_only_sigmoid(value: ir.Value) -> bool:
    """Whether nothing but Sigmoids reads a value, or what operators that move its elements make of it."""
    users = [user for user, _ in value.uses()]
    return (
        bool(users)
        and not value.is_graph_output()
        and all(
            user.op_type == "Sigmoid" or (user.op_type in _MOVES and all(map(reads_only_sigmoid, user.outputs)))
            for user in users
        )
    )


def rule_of(target: Target, node: ir.Node) -> Rule | None:
    """The target's rule for a node: that of a product of activations where no constant is multiplied with."""
    rule = target.rules.get(node.op_type)
    if rule is not None and rule.weight is not None and node.op_type in target.products:
        weight = node.inputs[rule.weight]
        return target.products[node.op_type] if weight is not None and weight.const_value is None else rule
    return rule


def is_product(node: ir.Node) -> bool:
    """Whether the node multiplies two matrices that the graph computes: runtimes fuse it without a pair behind it."""
    return node.op_type == "MatMul" and all(value is None or value.const_value is None for value in node.inputs)


def name_of(item: ir.Node | ir.Value) -> str:
    """The item's name; canonical graphs name everything."""
    assert item.name is not None
    return item.name


def reach(node: ir.Node, step: Callable[[ir.Node], Iterable[ir.Node]]) -> Iterable[ir.Node]:
    """Every node that repeated steps from `node` lead to."""
    seen: dict[ir.Node, None] = {}
    stack = list(step(node))
    while stack:
        current = stack.pop()
        if current not in seen:
            seen[current] = None
            stack.extend(step(current))
    return seen


def contributing(graph: ir.Graph, compared: Collection[str]) -> frozenset[ir.Node]:
    """The nodes that the values named in `compared` depend on; what is behind them turns them into outputs."""
    last = [node for node in graph if any(value.name in compared for value in node.outputs)]
    return frozenset(last).union(*(reach(node, ir.Node.predecessors) for node in last))


def required(node: ir.Node, index: int) -> ir.Value:
    """An input that the operator cannot be without."""
    value = node.inputs[index]
    assert value is not None, f"{node.op_type} {node.name} has no input {index}"
    return value
