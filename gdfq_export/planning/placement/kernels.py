"""First walk: which node runs as which integer kernel, and which activation it absorbs."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import onnx_ir as ir

from gdfq_export.frontend.passes.rewrites.recognize_hard_swish import is_of_hard_swish
from gdfq_export.planning.placement.float_reasons import TAIL, WIDE
from gdfq_export.planning.placement.fused_add import clipped_summand
from gdfq_export.planning.placement.graph_nodes import activation_bounds, contributing, name_of, required, rule_of
from gdfq_export.planning.placement.unsupported import unsupported_reason
from gdfq_export.planning.placement.wide import CONVERTS
from gdfq_export.planning.plan import PlannedNode
from gdfq_export.planning.scaled_hard_swish import STAYS_FLOAT
from gdfq_export.targets import Kernel, Output, Rule, Target

_ARITHMETIC = (Kernel.ADD, Kernel.MUL, Kernel.LOOKUP, Kernel.HARD_SIGMOID, Kernel.BETWEEN_PAIRS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clipped:
    """A value that an Add reads clipped and not rounded, if its Q/DQ pair uses all codes (`fused_add.py`).

    Attributes:
        value: that value.
        add: the Add.
        otherwise: the value that the Add reads unquantized, if the pair of `value` does not use all codes.
    """

    value: ir.Value
    add: ir.Node
    otherwise: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernels:
    """What every node of a graph runs as."""

    graph: ir.Graph
    target: Target
    nodes: dict[str, PlannedNode]
    coded: dict[str, ir.Node]  # value name -> the kernel node that writes its codes
    accumulated: frozenset[str]  # values that a kernel reads from a layer before they are quantized
    clipped: tuple[Clipped, ...]
    kept: Mapping[ir.Node, str] = field(default_factory=dict)  # nodes that have no kernel by the recipe, and why

    @property
    def wide(self) -> frozenset[ir.Node]:
        """Nodes with 16-bit activations."""
        return frozenset(node for node, reason in self.kept.items() if reason == WIDE)

    def rule(self, node: ir.Node) -> Rule | None:
        """The target's rule for the node; None if it runs in float, as nodes of subgraphs do."""
        planned = self.nodes.get(name_of(node)) if node.graph is self.graph else None
        return None if planned is None or planned.kernel is None else rule_of(self.target, node)

    def layers(self) -> list[ir.Node]:
        """Kernels with weights."""
        return [node for node in self.graph if self.is_layer(node)]

    def is_layer(self, node: ir.Node) -> bool:
        """Whether the node is a kernel with a weight."""
        rule = self.rule(node)
        return rule is not None and rule.weight is not None

    def has_weight(self, node: ir.Node) -> bool:
        """Whether the node is a kernel with a weight, or would be one if the recipe did not keep it float."""
        rule = rule_of(self.target, node) if node in self.kept else self.rule(node)
        return rule is not None and rule.weight is not None

    def is_arithmetic(self, node: ir.Node) -> bool:
        """Whether the kernel is element-wise, so that fewer bits save no multiplications."""
        return self.nodes[name_of(node)].kernel in _ARITHMETIC

    def writer(self, node: ir.Node) -> ir.Node:
        """The node whose outputs are the kernel's: the absorbed activation, or the node itself."""
        absorbed = self.nodes[name_of(node)].absorbed
        return node if absorbed is None else next(user for user, _ in node.outputs[0].uses())


def choose_kernels(
    graph: ir.Graph, target: Target, compared: Collection[str], kept: Mapping[ir.Node, str] = MappingProxyType({})
) -> Kernels:
    """Every node's kernel, or why it stays float.

    Args:
        graph: the canonical graph.
        target: the runtime's table.
        compared: names of values that stay tensors of their own.
        kept: nodes that have no kernel by the recipe, and why; their neighbours are chosen as if the target had no
            rule for them.
    """
    walk = _Walk(graph, target, compared, kept)
    for node in graph:
        if name_of(node) not in walk.nodes:
            walk.choose(node)
    accumulated, clipped = frozenset(walk.accumulated), tuple(walk.clipped.values())
    return Kernels(
        graph=graph,
        target=target,
        nodes=walk.nodes,
        coded=walk.coded,
        accumulated=accumulated,
        clipped=clipped,
        kept=kept,
    )


_AVERAGES = (Kernel.AVERAGE_POOL, Kernel.GLOBAL_AVERAGE_POOL)


class _Walk:
    def __init__(self, graph: ir.Graph, target: Target, compared: Collection[str], kept: Mapping[ir.Node, str]) -> None:
        self.graph = graph
        self.target = target
        self.kept = kept
        self.compared = frozenset(compared)
        self.ahead = contributing(graph, compared)
        self.nodes: dict[str, PlannedNode] = {}
        self.coded: dict[str, ir.Node] = {}
        self.accumulated: dict[str, str] = {}  # value name -> the node that reads it unquantized
        self.clipped: dict[ir.Node, Clipped] = {}
        for node in graph:
            rule = self._rule(node) if node in self.ahead else None
            if rule is not None and rule.overwrites and not unsupported_reason(node, rule):
                self._choose_summand(node, rule)

    def choose(self, node: ir.Node) -> None:
        name = name_of(node)
        rule = self._rule(node)
        reason = self._float_reason(node, rule)
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
        elif rule.output is not Output.OWN_SCALE_OR_FLOAT or any(map(self._is_quantized, written)):
            self.coded.update((name_of(value), node) for value in written if self._is_read(value))
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

    def _float_reason(self, node: ir.Node, rule: Rule | None) -> str:
        """Why the node has no kernel of its own; empty where it has one."""
        if node in self.kept:
            return self.kept[node]
        if STAYS_FLOAT in node.meta:
            return str(node.meta[STAYS_FLOAT])
        if node not in self.ahead:
            return TAIL
        if rule is None:
            return f"{node.op_type} has no integer kernel on {self.target.name}"
        if reason := unsupported_reason(node, rule):
            return reason
        if rule.kernel is Kernel.MOVE and not self._carries_codes(node.inputs[0]):
            return "its input is float"
        producer = node.inputs[0].producer() if node.inputs[0] is not None else None
        if rule.kernel in _AVERAGES and producer is not None and producer.op_type == "Pow":
            return "it averages powers: most of them are below one step of 8 bits"
        layer = self._computed_inside(node)
        return "" if layer is None else f"computed inside {layer}"

    def _rule(self, node: ir.Node) -> Rule | None:
        """The target's rule for a node that the recipe does not keep float."""
        return None if node in self.kept else rule_of(self.target, node)

    def _is_output(self, value: ir.Value) -> bool:
        """Whether the value is read from outside the graph, so that nothing is fused behind it."""
        return value.is_graph_output() or value.name in self.compared

    def _is_read(self, value: ir.Value) -> bool:
        return bool(value.uses()) or self._is_output(value)

    def _activation_inside(self, layer: ir.Node) -> tuple[ir.Node, ...] | None:
        """The nodes behind a layer that the runtime computes inside it: f(x), or f(x) and x * f(x)."""
        value = layer.outputs[0]
        users = list(dict.fromkeys(user for user, _ in value.uses()))
        function = next(filter(self._is_inside_layers, users), None)
        if function is None or self._is_output(value):
            return None
        if len(users) == 1:
            return (function,)
        gated = [user for user, _ in function.outputs[0].uses()]
        product = next((user for user in users if user is not function), None)
        if len(users) != 2 or gated != [product] or product is None or product.op_type != "Mul":
            return None
        return None if product in self.kept else (function, product)

    def _is_inside_layers(self, node: ir.Node) -> bool:
        if node not in self.ahead or node in self.kept:
            return False
        if node.op_type == "HardSigmoid" and self.target.hard_sigmoid_as_clip and not is_of_hard_swish(node):
            return False
        return node.op_type in self.target.inside_layers

    def _computed_inside(self, node: ir.Node) -> str | None:
        """The layer that computes the node too, by name."""
        for value in node.inputs:
            layer = None if value is None else value.producer()
            rule = None if layer is None else self._rule(layer)
            if layer is None or rule is None or rule.weight is None or unsupported_reason(layer, rule):
                continue
            if node in (self._activation_inside(layer) or ()):
                return name_of(layer)
        return None

    def _accumulator(self, node: ir.Node) -> str | None:
        """The only reader of the node's output, if its kernel reads it unquantized; one value for each kernel."""
        value = node.outputs[0]
        users = [user for user, _ in value.uses()]
        if len(users) != 1 or users[0] not in self.ahead or self._is_output(value):
            return None
        rule = self._rule(users[0])
        if rule is None or node.op_type not in rule.accumulates or unsupported_reason(users[0], rule):
            return None
        if any(read is None or read.const_value is not None for read in users[0].inputs):
            return None
        taker = name_of(users[0])
        return None if taker in self.accumulated.values() or users[0] in self.clipped else taker

    def _choose_summand(self, add: ir.Node, rule: Rule) -> None:
        """Remember the summand that the Add reads clipped, if any."""
        value = clipped_summand(add, lambda value: self._layer_of(value, rule))
        if value is None or value.name in self.compared:
            return
        direct = [each for each in add.inputs if each is not None and self._taken_unrounded(each, add, rule)]
        preferred = value if value in direct else next(iter(direct), None)
        self.clipped[add] = Clipped(value=value, add=add, otherwise=None if preferred is None else preferred.name)

    def _taken_unrounded(self, value: ir.Value, add: ir.Node, rule: Rule) -> bool:
        layer, users = value.producer(), [user for user, _ in value.uses()]
        return layer is not None and layer is self._layer_of(value, rule) and users == [add]

    def _layer_of(self, value: ir.Value, adding: Rule) -> ir.Node | None:
        """The layer that writes the value, by itself or through the activation it absorbs."""
        writer = value.producer()
        if writer is not None and writer.op_type in self.target.absorbed:
            before = required(writer, 0).producer()
            rule = None if before is None else self._rule(before)
            writer = before if before and rule and self._absorbable(before, rule) is writer else None
        rule = None if writer is None else self._rule(writer)
        if writer is None or rule is None or writer.op_type not in adding.accumulates:
            return None
        return None if unsupported_reason(writer, rule) else writer

    def _absorbable(self, node: ir.Node, rule: Rule) -> ir.Node | None:
        """The Relu or Clip that alone consumes the node's output and whose bounds contain zero."""
        value = node.outputs[0]
        users = [user for user, _ in value.uses()]
        alone = rule.output is Output.INPUT_SCALE or rule.kernel is Kernel.HARD_SIGMOID
        if alone or len(users) != 1 or users[0] not in self.ahead or self._is_output(value) or users[0] in self.kept:
            return None
        low, high = activation_bounds(users[0]) if users[0].op_type in self.target.absorbed else (math.nan, math.nan)
        return users[0] if low <= 0 < high else None

    def _carries_codes(self, value: ir.Value | None) -> bool:
        return value is not None and (value.name in self.coded or self._is_read_as_codes(value))

    def _is_quantized(self, value: ir.Value) -> bool:
        """Whether what a kernel writes is read as codes, perhaps by a conversion of codes to 16 bits."""
        return self._is_read_as_codes(value) or any(CONVERTS in user.meta for user, _ in value.uses())

    def _is_read_as_codes(self, value: ir.Value) -> bool:
        """Whether a kernel that computes reads the value, directly or behind nodes that move codes."""
        for user, index in value.uses():
            rule = self._rule(user)
            if rule is None or user not in self.ahead or unsupported_reason(user, rule):
                continue
            if rule.kernel is Kernel.MOVE and index == 0:
                if any(self._is_read_as_codes(output) for output in user.outputs):
                    return True
            elif rule.activations is None or index in rule.activations:
                return True
        return False
