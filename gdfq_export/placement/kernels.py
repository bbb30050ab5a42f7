"""First walk: which node runs as which integer kernel, and which activation it absorbs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import onnx_ir as ir

from gdfq_export.placement.nodes import activation_bounds, name_of, required
from gdfq_export.plan import PlannedNode
from gdfq_export.targets import Kernel, Output, Rule, Target

__all__ = ["Kernels", "choose_kernels", "unsuitable"]

_ARITHMETIC = (Kernel.ADD, Kernel.MUL, Kernel.LOOKUP, Kernel.HARD_SIGMOID)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernels:
    """What every node of a graph runs as."""

    graph: ir.Graph
    target: Target
    nodes: dict[str, PlannedNode]
    coded: dict[str, ir.Node]  # value name -> the kernel node that writes its codes
    accumulated: frozenset[str]  # values that a kernel takes from a layer before they are quantized

    def rule(self, node: ir.Node) -> Rule | None:
        """How the target runs the node; None: in float."""
        return None if self.nodes[name_of(node)].kernel is None else self.target.rules[node.op_type]

    def layers(self) -> list[ir.Node]:
        """Kernels with weights."""
        return [node for node in self.graph if self.is_layer(node)]

    def is_layer(self, node: ir.Node) -> bool:
        """Whether the node is a kernel with a weight."""
        rule = self.rule(node)
        return rule is not None and rule.weight is not None

    def is_arithmetic(self, node: ir.Node) -> bool:
        """Whether the kernel computes new numbers, one by one; no multiplications are saved by giving it fewer bits."""
        return self.nodes[name_of(node)].kernel in _ARITHMETIC

    def writer(self, node: ir.Node) -> ir.Node:
        """The node whose outputs are the kernel's: the absorbed activation, or the node itself."""
        absorbed = self.nodes[name_of(node)].absorbed
        return node if absorbed is None else next(user for user, _ in node.outputs[0].uses())


def choose_kernels(graph: ir.Graph, target: Target, logits: str) -> Kernels:
    """Every node's kernel, or why it stays float."""
    walk = _Walk(graph, target, logits)
    for node in graph:
        if name_of(node) not in walk.nodes:
            walk.choose(node)
    accumulated = frozenset(walk.accumulated)
    return Kernels(graph=graph, target=target, nodes=walk.nodes, coded=walk.coded, accumulated=accumulated)


class _Walk:
    def __init__(self, graph: ir.Graph, target: Target, logits: str) -> None:
        self.graph = graph
        self.target = target
        self.logits = logits
        self.nodes: dict[str, PlannedNode] = {}
        self.coded: dict[str, ir.Node] = {}
        self.accumulated: dict[str, str] = {}  # value name -> the node that takes it

    def choose(self, node: ir.Node) -> None:
        name = name_of(node)
        rule = self.target.rules.get(node.op_type)
        missing = f"{node.op_type} has no integer kernel on {self.target.name}"
        reason = missing if rule is None else unsuitable(node, rule)
        if not reason and rule is not None and rule.kernel is Kernel.MOVE and not self._carries_codes(node.inputs[0]):
            reason = "its input is float"
        if not reason and (layer := self._computed_inside(node)) is not None:
            reason = f"computed inside {layer}"
        if reason or rule is None:
            self.nodes[name] = PlannedNode(node=name, op_type=node.op_type, kernel=None, reason=reason)
            return
        activation = self._absorbable(node, rule)
        inside = rule.weight is not None and self._activation_inside(node) is not None
        written = activation.outputs if activation else node.outputs
        taker = None if activation else self._accumulator(node)
        if taker is not None:
            self.accumulated[name_of(node.outputs[0])] = taker
        elif inside:
            activation = None
        elif rule.output is not Output.OWN_SCALE_OR_FLOAT or any(self._is_read_as_codes(value) for value in written):
            self.coded.update((name_of(value), node) for value in written)
        else:
            activation = None
        self.nodes[name] = PlannedNode(
            node=name,
            op_type=node.op_type,
            kernel=rule.kernel,
            absorbed=name_of(activation) if activation else None,
            integer_form=rule.integer_form,
        )
        if activation is not None:
            absorbed = name_of(activation)
            self.nodes[absorbed] = PlannedNode(
                node=absorbed, op_type=activation.op_type, kernel=None, reason=f"absorbed by {name}"
            )

    def _activation_inside(self, layer: ir.Node) -> tuple[ir.Node, ...] | None:
        """The nodes behind a layer that the runtime computes inside it: f(x), or f(x) and x * f(x)."""
        value = layer.outputs[0]
        users = list(dict.fromkeys(user for user, _ in value.uses()))
        function = next((user for user in users if user.op_type in self.target.inside_layers), None)
        if function is None or value.is_graph_output() or value.name == self.logits:
            return None
        if len(users) == 1:
            return None if _is_gate(function) else (function,)
        gated = [user for user, _ in function.outputs[0].uses()]
        product = next((user for user in users if user is not function), None)
        if len(users) != 2 or gated != [product] or product is None or product.op_type != "Mul":
            return None
        return (function, product)

    def _computed_inside(self, node: ir.Node) -> str | None:
        """The layer that computes the node too, by name."""
        for value in node.inputs:
            layer = None if value is None else value.producer()
            rule = None if layer is None else self.target.rules.get(layer.op_type)
            if layer is None or rule is None or rule.weight is None or unsuitable(layer, rule):
                continue
            if node in (self._activation_inside(layer) or ()):
                return name_of(layer)
        return None

    def _accumulator(self, node: ir.Node) -> str | None:
        """The kernel that alone reads the node's output and takes it before it is quantized; one value for each."""
        value = node.outputs[0]
        users = [user for user, _ in value.uses()]
        if len(users) != 1 or value.is_graph_output() or value.name == self.logits:
            return None
        rule = self.target.rules.get(users[0].op_type)
        if rule is None or node.op_type not in rule.accumulates or unsuitable(users[0], rule):
            return None
        if any(read is None or read.const_value is not None for read in users[0].inputs):
            return None
        taker = name_of(users[0])
        return None if taker in self.accumulated.values() else taker

    def _absorbable(self, node: ir.Node, rule: Rule) -> ir.Node | None:
        """The Relu or Clip that alone consumes the node's output and whose bounds contain zero."""
        value = node.outputs[0]
        users = [user for user, _ in value.uses()]
        alone = rule.output is Output.INPUT_SCALE or rule.kernel is Kernel.HARD_SIGMOID
        if alone or len(users) != 1 or value.is_graph_output() or value.name == self.logits:
            return None
        low, high = activation_bounds(users[0]) if users[0].op_type in self.target.absorbed else (math.nan, math.nan)
        return users[0] if low <= 0 < high else None

    def _carries_codes(self, value: ir.Value | None) -> bool:
        return value is not None and (value.name in self.coded or self._is_read_as_codes(value))

    def _is_read_as_codes(self, value: ir.Value) -> bool:
        """Whether a kernel that computes reads the value, directly or behind nodes that move codes."""
        for user, index in value.uses():
            rule = self.target.rules.get(user.op_type)
            if rule is None or unsuitable(user, rule):
                continue
            if rule.kernel is Kernel.MOVE and index == 0:
                if any(self._is_read_as_codes(output) for output in user.outputs):
                    return True
            elif rule.activations is None or index in rule.activations:
                return True
        return False


def unsuitable(node: ir.Node, rule: Rule) -> str:
    """Why the rule's kernel cannot compute this node, or nothing."""
    for index in (rule.weight, rule.bias):
        value = node.inputs[index] if index is not None and len(node.inputs) > index else None
        if value is not None and value.const_value is None:
            return f"input {index} is computed in the graph"
    factors = (node.attributes.get_float("alpha", 1.0), node.attributes.get_float("beta", 1.0))
    if node.op_type == "Gemm" and (factors != (1.0, 1.0) or node.attributes.get_int("transA", 0) != 0):
        return "Gemm scales or transposes its inputs"
    if node.op_type == "MatMul" and len(required(node, 1).shape or ()) != 2:
        return "the weight of MatMul is not a matrix"
    if node.op_type == "Pad" and not _pads_with_zero(node):
        return "Pad does not pad with zeros"
    if node.op_type == "HardSigmoid" and min(factors[0], node.attributes.get_float("beta", 0.5)) <= 0:
        return "HardSigmoid falls, or its offset is not above 0"
    if node.op_type == "MaxPool" and len(node.outputs) > 1:
        return "MaxPool also returns indices"
    if not rule.constants and any(value is not None and value.const_value is not None for value in node.inputs):
        return "one of its inputs is a constant"
    if rule.activations is None and all(value is None or value.const_value is not None for value in node.inputs):
        return "all inputs are constants"
    return ""


def _is_gate(function: ir.Node) -> bool:
    """Whether the node's result multiplies another value, as in squeeze-and-excite."""
    return any(user.op_type == "Mul" for user, _ in function.outputs[0].uses())


def _pads_with_zero(node: ir.Node) -> bool:
    mode = node.attributes.get("mode")
    if mode is not None and mode.as_string() != "constant":
        return False
    value = node.inputs[2] if len(node.inputs) > 2 else None
    return value is None or (value.const_value is not None and not value.const_value.numpy().any())
