"""What was read of a file, as the plan and the encodings that the integer simulator computes with."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import onnx_ir as ir

from gdfq_export.frontend.passes.rewrites.recognize_hard_swish import BREAKPOINT
from gdfq_export.planning.constraints import ClippedCodes, Unrounded
from gdfq_export.planning.placement import clipped_summand, rule_of, unsupported_reason
from gdfq_export.planning.plan import PlannedNode, QuantPlan, QuantPoint, Role
from gdfq_export.qdq.read_back.constant_folding import refusal
from gdfq_export.qdq.read_back.constants import Constant
from gdfq_export.qdq.read_back.remove_qdq import Activation, FloatGraph, key_of
from gdfq_export.simulator.encoding import Encoding
from gdfq_export.support.quant_params import QuantParams
from gdfq_export.targets import Rule, Target
from gdfq_export.targets.operator_traits import LAYERS
from gdfq_export.targets.table import WIDE_BITS


def plan_of_file(
    file: FloatGraph, nodes: tuple[PlannedNode, ...], target: Target
) -> tuple[QuantPlan, dict[str, Encoding], dict[str, str]]:
    """Plan, encodings by key, and names of the codes in the file by key.

    Raises:
        InputError: codes are limited to a range that is not that of whole bits.
    """
    points = _Points(file, target)
    for node in nodes:
        points.add(node)
    points.clip(nodes)
    return QuantPlan(target.name, tuple(points.points.values()), nodes), points.encodings, points.names


class _Points:
    def __init__(self, file: FloatGraph, target: Target) -> None:
        self.file = file
        self.target = target
        self.nodes = {str(node.name): node for node in file.model.graph}
        self.points: dict[str, QuantPoint] = {}
        self.encodings: dict[str, Encoding] = {}
        self.names: dict[str, str] = {}
        self.groups: dict[tuple[str, int], str] = {}

    def add(self, planned: PlannedNode) -> None:
        """The points that a node reads and writes, in that order."""
        node = self.nodes[planned.node]
        rule = rule_of(self.target, node) if planned.kernel is not None or self._has_coded_weight(node) else None
        for index, value in enumerate(node.inputs):
            if value is None:
                continue
            constant = self.file.constants.get(str(value.name))
            if constant is not None and rule is not None:
                self._constant(node, value, constant, rule, index)
            elif value.is_graph_input():
                self._activation(value, Role.INPUT)
        for value in node.outputs:
            self._activation(value, Role.ACTIVATION)

    def _has_coded_weight(self, node: ir.Node) -> bool:
        """Whether a layer, also one that runs in float, multiplies with codes that the file holds."""
        weight = node.inputs[1] if node.op_type in LAYERS else None
        return weight is not None and str(weight.name) in self.file.constants

    def clip(self, nodes: tuple[PlannedNode, ...]) -> None:
        """Points that an Add takes clipped and not rounded."""
        layers = {planned.absorbed or planned.node: planned for planned in nodes if planned.kernel is not None}
        for planned in nodes:
            rule = None if planned.kernel is None else self.target.rules.get(planned.op_type)
            if rule is None or not rule.overwrites:
                continue
            value = clipped_summand(self.nodes[planned.node], functools.partial(self._layer_of, layers, rule))
            point = None if value is None else self.points.get(str(value.name))
            if point is not None and point.code_range == point.storage_range:
                self.points[point.tensor] = dataclasses.replace(point, constraint=Unrounded())

    def _layer_of(self, layers: dict[str, PlannedNode], adding: Rule, value: ir.Value) -> ir.Node | None:
        writer = value.producer()
        planned = None if writer is None else layers.get(str(writer.name))
        return None if planned is None or planned.op_type not in adding.accumulates else self.nodes[planned.node]

    def _activation(self, value: ir.Value, role: Role) -> None:
        name = str(value.name)
        activation = self.file.activations.get(name)
        if activation is None or name in self.points:
            return
        params, key = activation.params, self._key(activation)
        group = self.groups.setdefault((activation.scale_name, params.zero_point), key)
        self.points[name] = QuantPoint(
            key=key,
            tensor=name,
            consumers=_readers(value),
            role=role,
            bits=_bits(params, value),
            signed=params.signed,
            symmetric=params.signed and params.zero_point == 0,
            axis=None,
            group=group,
            constraint=_clipped_codes(value) if activation.clips else None,
        )
        self.encodings[key] = Encoding(scale=np.asarray(params.scale), zero_point=params.zero_point)
        self.names[key] = activation.codes

    def _key(self, activation: Activation) -> str:
        key = key_of(activation.codes)
        return activation.codes if key in self.encodings else key

    def _constant(self, node: ir.Node, value: ir.Value, constant: Constant, rule: Rule, index: int) -> None:
        role = {rule.weight: Role.WEIGHT, rule.bias: Role.BIAS}.get(index, Role.CONSTANT)
        name = str(value.name)
        if role is Role.CONSTANT and (rule.activations is not None or unsupported_reason(node, rule)):
            return
        shared = role is Role.BIAS and len(_readers(value)) > 1
        key = f"{name}@{node.name}" if shared else name
        if key in self.encodings:
            return
        self.points[f"bias of {node.name}" if role is Role.BIAS else name] = QuantPoint(
            key=key,
            tensor=name,
            consumers=(str(node.name),) if role is Role.BIAS else _readers(value),
            role=role,
            bits=constant.bits if role is not Role.WEIGHT else constant.used_bits,
            signed=constant.params.signed,
            symmetric=constant.params.signed and constant.zero_point == 0,
            axis=None if role is Role.CONSTANT else constant.output_axis,
            group=key,
            packed=(constant.bits,) if constant.bits < 8 else (),
            native=constant.params.block is not None,
            block=constant.params.block,
        )
        scale = np.asarray(constant.params.scale)
        scale = scale.reshape(()) if role is Role.CONSTANT else scale
        self.encodings[key] = Encoding(scale=scale, zero_point=constant.zero_point or 0, codes=constant.codes)


def _clipped_codes(gate: ir.Value) -> ClippedCodes:
    """The constraint of what the gate of a HardSwish writes."""
    node = gate.producer()
    source = None if node is None else node.inputs[0]
    assert source is not None
    return ClippedCodes(source=str(source.name), at=float(BREAKPOINT))


def _readers(value: ir.Value) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(user.name) for user, _ in value.uses()))


def _bits(params: QuantParams, value: ir.Value) -> int:
    """Bits whose codes are those that occur."""
    widths: tuple[int, ...] = (*range(1, 9), WIDE_BITS)
    for bits in widths:
        signed = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        if params.code_range == (signed if params.signed else (0, 2**bits - 1)):
            return bits
    node = value.producer()
    low, high = params.code_range
    if node is None:
        node = next(user for user, _ in value.uses())
    raise refusal(node, f"is next to {value.name}, whose codes from {low} to {high} are not those of whole bits")
