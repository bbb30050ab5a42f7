"""graph + target + bit widths -> QuantPlan, in two walks over the canonical graph.

1. A node gets an integer kernel if the target has a rule for its operator and its constant inputs are what the rule
   needs; a node that only moves codes, if its input carries codes.
2. A Relu or Clip that alone consumes a kernel's output is absorbed: its output is the tensor that is quantized.
3. Every activation input and every output of a kernel is a quantization point; outputs with the scale of the input
   share its group.
4. Bit widths: what the recipe says for the kind of tensor, raised at the first and last layer and behind the last,
   where a layer's output is not yet what a layer reads (in front of an Add, a Mul or an activation function's table),
   for layers that the recipe names, and to the widest of a group.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import math
from collections.abc import Callable, Iterable

import onnx_ir as ir

from gdfq_export.errors import InputError
from gdfq_export.plan import PlannedNode, QuantPlan, QuantPoint, Role
from gdfq_export.recipe import Bits, LayerBits
from gdfq_export.targets import Kernel, Output, Rule, Target

__all__ = ["activation_bounds", "build_plan"]


def build_plan(
    model: ir.Model, target: Target, bits: Bits, *, logits: str, input_range: tuple[float, float]
) -> QuantPlan:
    """Place Q/DQ on a canonical graph.

    Args:
        model: canonical graph, BatchNormalization folded.
        target: the runtime's table.
        bits: bit widths by what they apply to.
        logits: name of the logits' value.
        input_range: smallest and largest value the network's input can have.

    Raises:
        InputError: a name among the recipe's exceptions is no layer's.
    """
    return _Planner(model, target, bits, logits, input_range).plan()


class _Planner:
    def __init__(
        self, model: ir.Model, target: Target, bits: Bits, logits: str, input_range: tuple[float, float]
    ) -> None:
        self.graph = model.graph
        self.target = target
        self.bits = bits
        self.logits = logits
        self.input_range = input_range
        self.nodes: dict[str, PlannedNode] = {}
        self.coded: dict[str, ir.Node] = {}  # value name -> the kernel node that writes its codes
        self.points: dict[str, QuantPoint] = {}
        self.taken = {value.name for node in self.graph for value in (*node.inputs, *node.outputs) if value is not None}

    def plan(self) -> QuantPlan:
        for node in self.graph:
            if name_of(node) not in self.nodes:
                self._choose_kernel(node)
        self._require_named_layers()
        ends = self._first_and_last_layers()
        for node in self.graph:
            if self.nodes[name_of(node)].kernel is not None:
                self._place_points(node, self.target.rules[node.op_type], node in ends)
        return QuantPlan(self.target.name, tuple(self._with_shared_bits()), tuple(self.nodes.values()))

    # Walk 1: kernels

    def _choose_kernel(self, node: ir.Node) -> None:
        name = name_of(node)
        rule = self.target.rules.get(node.op_type)
        missing = f"{node.op_type} has no integer kernel on {self.target.name}"
        reason = missing if rule is None else _unsuitable(node, rule)
        if not reason and rule is not None and rule.kernel is Kernel.MOVE and not self._carries_codes(node.inputs[0]):
            reason = "its input is float"
        if reason or rule is None:
            self.nodes[name] = PlannedNode(node=name, op_type=node.op_type, kernel=None, reason=reason)
            return
        activation = self._absorbable(node, rule)
        written = activation.outputs if activation else node.outputs
        if rule.output is not Output.OWN_SCALE_OR_FLOAT or any(self._is_read_as_codes(value) for value in written):
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

    def _absorbable(self, node: ir.Node, rule: Rule) -> ir.Node | None:
        """The Relu or Clip that alone consumes the node's output and whose bounds contain zero."""
        value = node.outputs[0]
        users = [user for user, _ in value.uses()]
        if rule.output is Output.INPUT_SCALE or len(users) != 1 or value.is_graph_output() or value.name == self.logits:
            return None
        low, high = activation_bounds(users[0]) if users[0].op_type in self.target.absorbed else (math.nan, math.nan)
        return users[0] if low <= 0 < high else None

    def _carries_codes(self, value: ir.Value | None) -> bool:
        return value is not None and (value.name in self.coded or self._is_read_as_codes(value))

    def _is_read_as_codes(self, value: ir.Value) -> bool:
        """Whether a kernel that computes reads the value, directly or behind nodes that move codes."""
        for user, index in value.uses():
            rule = self.target.rules.get(user.op_type)
            if rule is None or _unsuitable(user, rule):
                continue
            if rule.kernel is Kernel.MOVE and index == 0:
                if any(self._is_read_as_codes(output) for output in user.outputs):
                    return True
            elif rule.activations is None or index in rule.activations:
                return True
        return False

    # Walk 2: points

    def _first_and_last_layers(self) -> list[ir.Node]:
        """Layers (kernels with weights) that no other layer precedes, and layers that no other layer follows."""
        layers = [node for node in self.graph if self._is_layer(node)]
        return [
            node
            for node in layers
            if not any(map(self._is_layer, _reach(node, _predecessors))) or not self._precedes_a_layer(node)
        ]

    def _precedes_a_layer(self, node: ir.Node) -> bool:
        return any(map(self._is_layer, _reach(node, _successors)))

    def _require_named_layers(self) -> None:
        layers = [name_of(node) for node in self.graph if self._is_layer(node)]
        for pattern in self.bits.layers:
            if not any(fnmatch.fnmatchcase(layer, pattern) for layer in layers):
                raise InputError(
                    f"bits.layers names {pattern!r}, and no quantized layer is called so; they are {', '.join(layers)}"
                )

    def _exception(self, node: ir.Node) -> LayerBits:
        """What the recipe says for this layer alone."""
        found = LayerBits()
        for pattern, widths in self.bits.layers.items():
            if fnmatch.fnmatchcase(name_of(node), pattern):
                found = widths
        return found

    def _is_layer(self, node: ir.Node) -> bool:
        return self.nodes[name_of(node)].kernel is not None and self.target.rules[node.op_type].weight is not None

    def _is_arithmetic(self, node: ir.Node) -> bool:
        """Whether the kernel computes new numbers, one by one; no multiplications are saved by giving it fewer bits."""
        return self.nodes[name_of(node)].kernel in (Kernel.ADD, Kernel.MUL, Kernel.LOOKUP)

    def _place_points(self, node: ir.Node, rule: Rule, at_an_end: bool) -> None:
        for index in range(len(node.inputs)) if rule.activations is None else rule.activations:
            self._read(_required(node, index), node, at_an_end)
        if rule.weight is not None:
            self._weight(node, rule, at_an_end)
        if rule.bias is not None and len(node.inputs) > rule.bias and node.inputs[rule.bias] is not None:
            self._bias(node, _required(node, rule.bias))
        activation = self.nodes[name_of(node)].absorbed
        written = node if activation is None else next(user for user, _ in node.outputs[0].uses())
        low, high = (-math.inf, math.inf) if activation is None else activation_bounds(written)
        group = self.points[name_of(_required(node, 0))].group if rule.output is Output.INPUT_SCALE else None
        bits = self.bits.activations
        if not self._precedes_a_layer(node):
            bits = max(bits, self.bits.first_last)
        for value in written.outputs:
            if value.name in self.coded:
                self._add(value, Role.ACTIVATION, bits, group=group, low=low, high=high)

    def _read(self, value: ir.Value, reader: ir.Node, at_an_end: bool) -> None:
        """A kernel reads `value` as codes: it is a point, with the bits the reader asks for."""
        name = name_of(value)
        if value.const_value is not None:
            self._add(value, Role.CONSTANT, self.bits.activations)
        elif value.is_graph_input():
            low, high = self.input_range
            self._add(value, Role.INPUT, self.bits.input, low=low, high=high)
        else:
            self._add(value, Role.ACTIVATION, self.bits.activations)  # no-op unless a float node writes it
        if at_an_end:
            self._raise_bits(name, self.bits.first_last)
        self._raise_bits(name, self._exception(reader).activations or 0)
        producer = self.coded.get(name)
        if self._is_arithmetic(reader) and producer is not None and self._is_layer(producer):
            self._raise_bits(name, self.bits.residual)

    def _raise_bits(self, name: str, bits: int) -> None:
        point = self.points[name]
        self.points[name] = dataclasses.replace(point, bits=max(point.bits, bits))

    def _weight(self, node: ir.Node, rule: Rule, at_an_end: bool) -> None:
        assert rule.weight is not None
        transposed = node.op_type == "Gemm" and not _int_attribute(node, "transB")
        bits = max(self.bits.weights, self.bits.first_last) if at_an_end else self.bits.weights
        bits = self._exception(node).weights or bits
        self._add(_required(node, rule.weight), Role.WEIGHT, bits, axis=1 if transposed else rule.weight_axis)

    def _bias(self, node: ir.Node, value: ir.Value) -> None:
        shared = len(list(value.uses())) > 1
        key = f"{value.name}@{name_of(node)}" if shared else name_of(value)
        self.points[f"bias of {name_of(node)}"] = QuantPoint(
            key=key,
            tensor=name_of(value),
            consumers=(name_of(node),),
            role=Role.BIAS,
            bits=32,
            signed=True,
            symmetric=True,
            axis=0,
            group=key,
        )

    def _add(
        self,
        value: ir.Value,
        role: Role,
        bits: int,
        *,
        axis: int | None = None,
        group: str | None = None,
        low: float = -math.inf,
        high: float = math.inf,
    ) -> None:
        name = name_of(value)
        if name in self.points:
            return
        key = self._key(name)
        number = self.target.weight if role is Role.WEIGHT else self.target.activation
        self.points[name] = QuantPoint(
            key=key,
            tensor=name,
            consumers=tuple(dict.fromkeys(name_of(user) for user, _ in value.uses())),
            role=role,
            bits=bits,
            signed=number.signed,
            symmetric=number.symmetric,
            axis=axis,
            group=group or key,
            low=low,
            high=high,
        )

    def _key(self, name: str) -> str:
        """The value's name without the exporter's suffix, where that is still unique."""
        short = name.removesuffix("_output_0")
        return name if short in self.taken else short

    def _with_shared_bits(self) -> Iterable[QuantPoint]:
        widest: dict[str, int] = {}
        for point in self.points.values():
            widest[point.group] = max(widest.get(point.group, 0), point.bits)
        return (dataclasses.replace(point, bits=widest[point.group]) for point in self.points.values())


def activation_bounds(node: ir.Node) -> tuple[float, float]:
    """Bounds that a Relu or Clip puts on its output; NaN where they are computed in the graph."""
    if node.op_type == "Relu":
        return 0.0, math.inf
    limits = [-math.inf, math.inf]
    for position in (0, 1):
        value = node.inputs[position + 1] if len(node.inputs) > position + 1 else None
        if value is not None:
            limits[position] = float(value.const_value.numpy()) if value.const_value is not None else math.nan
    return limits[0], limits[1]


def name_of(item: ir.Node | ir.Value) -> str:
    """The item's name; canonical graphs name everything."""
    assert item.name is not None
    return item.name


def _unsuitable(node: ir.Node, rule: Rule) -> str:
    """Why the rule's kernel cannot compute this node, or nothing."""
    for index in (rule.weight, rule.bias):
        value = node.inputs[index] if index is not None and len(node.inputs) > index else None
        if value is not None and value.const_value is None:
            return f"input {index} is computed in the graph"
    factors = (_float_attribute(node, "alpha"), _float_attribute(node, "beta"))
    if node.op_type == "Gemm" and (factors != (1.0, 1.0) or _int_attribute(node, "transA")):
        return "Gemm scales or transposes its inputs"
    if node.op_type == "MatMul" and len(_required(node, 1).shape or ()) != 2:
        return "the weight of MatMul is not a matrix"
    if node.op_type == "Pad" and not _pads_with_zero(node):
        return "Pad does not pad with zeros"
    if node.op_type == "MaxPool" and len(node.outputs) > 1:
        return "MaxPool also returns indices"
    if rule.activations is None and all(value is None or value.const_value is not None for value in node.inputs):
        return "all inputs are constants"
    return ""


def _pads_with_zero(node: ir.Node) -> bool:
    mode = node.attributes.get("mode")
    if mode is not None and mode.as_string() != "constant":
        return False
    value = node.inputs[2] if len(node.inputs) > 2 else None
    return value is None or (value.const_value is not None and not value.const_value.numpy().any())


def _reach(node: ir.Node, step: Callable[[ir.Node], Iterable[ir.Node]]) -> Iterable[ir.Node]:
    """Every node that repeated steps from `node` lead to."""
    seen: dict[ir.Node, None] = {}
    stack = list(step(node))
    while stack:
        current = stack.pop()
        if current not in seen:
            seen[current] = None
            stack.extend(step(current))
    return seen


def _predecessors(node: ir.Node) -> list[ir.Node]:
    producers = [value.producer() for value in node.inputs if value is not None]
    return [producer for producer in producers if producer is not None]


def _successors(node: ir.Node) -> list[ir.Node]:
    return [user for value in node.outputs for user, _ in value.uses()]


def _required(node: ir.Node, index: int) -> ir.Value:
    value = node.inputs[index]
    assert value is not None, f"{node.op_type} {node.name} has no input {index}"
    return value


def _int_attribute(node: ir.Node, name: str) -> int:
    attribute = node.attributes.get(name)
    return 0 if attribute is None else attribute.as_int()


def _float_attribute(node: ir.Node, name: str) -> float:
    attribute = node.attributes.get(name)
    return 1.0 if attribute is None else attribute.as_float()
