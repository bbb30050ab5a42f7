"""Second walk: which tensors carry Q/DQ, with which numbers, and which share a scale."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping

import onnx_ir as ir

from gdfq_export.frontend.passes.rewrites.recognize_hard_swish import BREAKPOINT, is_of_hard_swish
from gdfq_export.planning.constraints import Breakpoints, ClippedCodes, Constraint, FixedGrid, Unrounded
from gdfq_export.planning.placement.bit_widths import WHOLE_BITS, Widths
from gdfq_export.planning.placement.graph_nodes import (
    activation_bounds,
    bounds_of,
    name_of,
    reads_only_sigmoid,
    required,
    rule_of,
)
from gdfq_export.planning.placement.kernels import Clipped, Kernels
from gdfq_export.planning.placement.weight_formats import block_of
from gdfq_export.planning.placement.wide import is_float, is_inside, layer_rule
from gdfq_export.planning.plan import QuantPoint, Role
from gdfq_export.targets import BLOCK_BITS, Kernel, Output, Rule
from gdfq_export.targets.table import WIDE_BITS

_SIGMOID_SATURATES = 8.0  # where it is 3e-4 from its bounds, a twelfth of a step of eight bits


InputRange = tuple[float, float] | Mapping[str, tuple[float, float]]
"""Smallest and largest value of every input, or of each by name."""


def place_points(kernels: Kernels, widths: Widths, input_range: InputRange) -> tuple[QuantPoint, ...]:
    """A point for everything that a kernel reads, and for what it writes as codes."""
    walk = _Walk(kernels, widths, input_range)
    for node in kernels.graph:
        rule = kernels.rule(node)
        if rule is not None:
            walk.place(node, rule)
    for node in kernels.graph:
        if node in kernels.wide:
            walk.place_wide(node)
    return tuple(walk.with_shared_numbers())


class _Walk:
    def __init__(self, kernels: Kernels, widths: Widths, input_range: InputRange) -> None:
        self.kernels = kernels
        self.widths = widths
        self.input_range = input_range
        self.points: dict[str, QuantPoint] = {}
        values = (value for node in kernels.graph for value in (*node.inputs, *node.outputs))
        self.taken = {value.name for value in values if value is not None}
        self.left_out = set(kernels.accumulated)
        self.clipped: set[str] = set()
        for summand in kernels.clipped:
            self._clip(summand)

    def place(self, node: ir.Node, rule: Rule) -> None:
        for index in range(len(node.inputs)) if rule.activations is None else rule.activations:
            value = required(node, index)
            if value.name not in self.left_out:
                self._read(value, node)
        if rule.weight is not None:
            self._weight(node, rule, rule.weight)
        if rule.bias is not None and len(node.inputs) > rule.bias and node.inputs[rule.bias] is not None:
            self._bias(node, required(node, rule.bias))
        self._write(node, rule)

    def place_wide(self, node: ir.Node) -> None:
        """Points of 16 bits for what the node reads and writes, where no kernel has a point of 8."""
        target = self.kernels.target
        rule, layer = rule_of(target, node), layer_rule(target, node)
        for value in (*node.inputs, *node.outputs):
            if value is None or is_inside(value, self.kernels.wide, target):
                continue
            if is_float(value):
                self._wide_activation(value)
                self._fix_grid(value)
            elif rule is not None and rule.activations is None and value.dtype in (None, ir.DataType.FLOAT):
                self._add(value, Role.CONSTANT, WIDE_BITS)
        if layer is not None and layer.weight is not None:
            self._weight(node, layer, layer.weight)
            if layer.bias is not None and len(node.inputs) > layer.bias and node.inputs[layer.bias] is not None:
                self._bias(node, required(node, layer.bias))

    def _wide_activation(self, value: ir.Value) -> None:
        if value.is_graph_input():
            low, high = self._bounds_of_input(value)
            self._add(value, Role.INPUT, WIDE_BITS, low=low, high=high)
        elif value.uses() or value.is_graph_output():
            low, high = bounds_of(value)
            self._add(value, Role.ACTIVATION, WIDE_BITS, low=low, high=high)

    def _fix_grid(self, value: ir.Value) -> None:
        """The scale and zero point that the runtime computes with, whatever the range of the values."""
        node = value.producer()
        grid = None if node is None else self.kernels.target.fixed_grids.get(node.op_type)
        point = self.points.get(name_of(value))
        if grid is not None and point is not None and point.bits == WIDE_BITS:
            self.points[point.tensor] = dataclasses.replace(
                point, constraint=FixedGrid(scale=grid[0], zero_point=grid[1])
            )

    def _bounds_of_input(self, value: ir.Value) -> tuple[float, float]:
        return self.input_range[name_of(value)] if isinstance(self.input_range, Mapping) else self.input_range

    def _clip(self, summand: Clipped) -> None:
        """A pair that uses all codes of its type only clips; one with fewer codes would round."""
        name = name_of(summand.value)
        layer = self.kernels.coded[name]
        bits = max(self.widths.of_output(layer), self.widths.of_read(summand.value, summand.add))
        if bits == WHOLE_BITS:
            self.clipped.add(name)
        elif summand.otherwise is not None:
            self.left_out.add(summand.otherwise)

    def _read(self, value: ir.Value, reader: ir.Node) -> None:
        """A kernel reads `value` as codes: it is a point, with at least the reader's bits."""
        name, bits = name_of(value), self.widths.of_read(value, reader)
        if value.const_value is not None:
            self._add(value, Role.CONSTANT, bits)
        elif value.is_graph_input():
            low, high = self._bounds_of_input(value)
            self._add(value, Role.INPUT, bits, low=low, high=high)
        else:
            low, high = bounds_of(value)
            self._add(value, Role.ACTIVATION, bits, low=low, high=high)  # no-op unless a float node writes it
        point = self.points[name]
        self.points[name] = dataclasses.replace(point, bits=max(point.bits, bits))

    def _write(self, node: ir.Node, rule: Rule) -> None:
        writer, bits = self.kernels.writer(node), self.widths.of_output(node)
        bounded = writer is not node or rule.kernel is Kernel.HARD_SIGMOID
        low, high = activation_bounds(writer) if bounded else _saturation(writer)
        group = None
        if rule.output is Output.INPUT_SCALE:
            source = self.points[name_of(required(node, 0))]
            group, low, high = source.group, source.low, source.high
        for value in writer.outputs:
            if value.name in self.kernels.coded and value.name not in self.left_out:
                self._add(value, Role.ACTIVATION, bits, group=group, low=low, high=high)

    def _weight(self, node: ir.Node, rule: Rule, index: int) -> None:
        """The weight of a layer, in the form that the recipe asks for."""
        value, bits = required(node, index), self.widths.of_weight(node)
        transposed = node.op_type == "Gemm" and not node.attributes.get_int("transB", 0)
        axis = 1 if transposed else rule.weight_axis
        self._add(value, Role.WEIGHT, bits, axis=axis)
        point = self.points[name_of(value)]
        block = None
        if rule.kernel is Kernel.WEIGHT_ONLY:
            assert value.shape is not None and axis is not None
            block = block_of(self.widths.recipe, int(value.shape[1 - axis]), name_of(node))  # type: ignore[arg-type]
        if block is not None or (self.widths.recipe.storage == "native" and point.bits <= BLOCK_BITS):
            point = dataclasses.replace(point, native=True, packed=(BLOCK_BITS,), block=block)
            self.points[point.tensor] = point

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
        target = self.kernels.target
        narrow = target.weight if role is Role.WEIGHT else target.activation
        number = target.wide if bits == WIDE_BITS and target.wide is not None else narrow
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
            packed=number.packed,
            lowest=number.lowest,
            smallest_range=number.smallest_range,
            constraint=Unrounded() if name in self.clipped else None,
            low=low,
            high=high,
        )

    def _key(self, name: str) -> str:
        """The value's name without the exporter's suffix, where that is still unique."""
        short = name.removesuffix("_output_0")
        return name if short in self.taken else short

    def with_shared_numbers(self) -> Iterable[QuantPoint]:
        """The points, each with the widest bits and the breakpoints of its group; clipped codes have all 8 bits."""
        widest: dict[str, int] = {}
        for point in self.points.values():
            widest[point.group] = max(widest.get(point.group, 0), point.bits)
        at = float(BREAKPOINT)
        constraints: dict[str, Constraint] = {
            gate: ClippedCodes(source=read, at=at)
            for gate, read in filter(None, map(self._gate_of_hard_swish, self.kernels.graph))
            if widest[self.points[read].group] == WHOLE_BITS
        }
        clipped = set(constraints)
        bent = {self.points[each.source].group for each in constraints.values() if isinstance(each, ClippedCodes)}
        constraints |= {name: Breakpoints(at=at) for name, point in self.points.items() if point.group in bent}
        for name, point in self.points.items():
            bits = WHOLE_BITS if name in clipped else widest[point.group]
            yield dataclasses.replace(point, bits=bits, constraint=constraints.get(name, point.constraint))

    def _gate_of_hard_swish(self, gate: ir.Node) -> tuple[str, str] | None:
        """Output and input of a HardSigmoid that may clip codes: it gates its own input, which has no bounds."""
        rule = self.kernels.rule(gate)
        if rule is None or not rule.clips_codes or not is_of_hard_swish(gate):
            return None
        x, result = required(gate, 0), gate.outputs[0]
        users = [user for user, _ in result.uses()]
        alone = len(users) == 1 and users[0].op_type == "Mul" and x in users[0].inputs and not result.is_graph_output()
        point = self.points[name_of(x)]
        unbounded = point.role is Role.ACTIVATION and (point.low, point.high) == (-math.inf, math.inf)
        return (name_of(result), name_of(x)) if alone and unbounded else None


def _saturation(layer: ir.Node) -> tuple[float, float]:
    """Bounds of a layer's output: where Sigmoid saturates, if nothing else reads it; the steps within are the finer."""
    bound = _SIGMOID_SATURATES if reads_only_sigmoid(layer.outputs[0]) else math.inf
    return -bound, bound
