"""What can be quantized or kept float, and the tensors between: a network as the choice of precision sees it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import onnx_ir as ir

from gdfq_export.planning.operations import multiply_accumulates
from gdfq_export.planning.plan import PlannedNode, QuantPlan, QuantPoint, Role
from gdfq_export.targets import Kernel

_FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A node with an integer kernel, and the activation that the kernel absorbs.

    Attributes:
        name: of the node.
        op_type: its operator.
        points: keys of its weights and constants, which are quantized where the node is.
        operations: multiply-accumulates for one image; 0 for a node without weights.
        elements: values that it writes for one image.
        weight_bytes: of its weights as integers.
        bytes_added: by which the file grows if its weights are float.
    """

    name: str
    op_type: str
    points: tuple[str, ...]
    operations: int
    elements: int
    weight_bytes: int
    bytes_added: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """A tensor that may carry codes, and who writes and reads it.

    Attributes:
        tensor: its name.
        group: the scale group of its point.
        elements: values for one image.
        writer: name of the unit; None for the network's input and for nodes that are always float.
        readers: names of the units that read it, directly or behind nodes that move its values.
        read_as_float: something that is always float reads it: such a node, or the user of an output.
    """

    tensor: str
    group: str
    elements: int
    writer: str | None
    readers: tuple[str, ...]
    read_as_float: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """The nodes to choose for, in the order of computation, and the tensors between them."""

    units: tuple[Unit, ...]
    boundaries: tuple[Boundary, ...]

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """Units by the scale group that they read or write: it is quantized unless all of them are float."""
        found: dict[str, dict[str, None]] = {}
        for each in self.boundaries:
            touching = (*each.readers, *([] if each.writer is None else [each.writer]))
            found.setdefault(each.group, {}).update(dict.fromkeys(touching))
        return {group: tuple(units) for group, units in found.items() if units}

    @property
    def points(self) -> list[str]:
        """Keys of all points whose error is to be measured."""
        return [*self.groups, *dict.fromkeys(key for unit in self.units for key in unit.points)]


def units_of(graph: ir.Graph, plan: QuantPlan) -> Units:
    """The choices that a plan leaves open.

    Args:
        graph: the canonical graph that the plan is made for.
        plan: with everything quantized that may be.
    """
    owners = {each.node: each.node for each in plan.nodes if _is_unit(each)}
    owners |= {each.absorbed: each.node for each in plan.nodes if each.absorbed is not None and each.node in owners}
    moves = frozenset(each.node for each in plan.nodes if each.kernel is Kernel.MOVE)
    return Units(
        units=tuple(_unit(node, plan) for node in graph if owners.get(node.name or "") == node.name),
        boundaries=tuple(_boundary(value, point, owners, moves) for value, point in _written(graph, plan, moves)),
    )


def _written(graph: ir.Graph, plan: QuantPlan, moves: Collection[str]) -> Iterator[tuple[ir.Value, QuantPoint]]:
    """Values that have a point, and are no moved values of another."""
    points = {point.tensor: point for point in plan.points if point.role in (Role.INPUT, Role.ACTIVATION)}
    for value in (*graph.inputs, *(output for node in graph for output in node.outputs)):
        point, writer = points.get(value.name or ""), value.producer()
        if point is not None and (writer is None or writer.name not in moves):
            yield value, point


def _is_unit(planned: PlannedNode) -> bool:
    return planned.kernel is not None and planned.kernel is not Kernel.MOVE


def _unit(node: ir.Node, plan: QuantPlan) -> Unit:
    own = {value.name: plan.by_tensor[value.name] for value in node.inputs if value and value.name in plan.by_tensor}
    constants = [point for point in own.values() if point.role in (Role.WEIGHT, Role.CONSTANT)]
    weight = next((point for point in constants if point.role is Role.WEIGHT), None)
    count = 0 if weight is None else _size_of_weight(node)
    stored = 0 if weight is None else count * weight.stored_bits // 8
    return Unit(
        name=node.name or "",
        op_type=node.op_type,
        points=tuple(point.key for point in constants),
        operations=0 if weight is None else multiply_accumulates(node),
        elements=_elements(node.outputs[0]),
        weight_bytes=stored,
        bytes_added=count * _FLOAT_BYTES - stored,
    )


def _size_of_weight(node: ir.Node) -> int:
    value = node.inputs[1]
    assert value is not None and value.const_value is not None
    return int(value.const_value.size)


def _boundary(value: ir.Value, point: QuantPoint, owners: Mapping[str, str], moves: frozenset[str]) -> Boundary:
    producer = value.producer()
    readers = dict.fromkeys(_readers(value, owners, moves))
    return Boundary(
        tensor=value.name or "",
        group=point.group,
        elements=_elements(value),
        writer=None if producer is None else owners.get(producer.name or ""),
        readers=tuple(name for name in readers if name is not None),
        read_as_float=None in readers,
    )


def _readers(value: ir.Value, owners: Mapping[str, str], moves: frozenset[str]) -> Iterator[str | None]:
    """Units that read a value, None for what is always float."""
    if value.is_graph_output():
        yield None
    for user, _ in value.uses():
        if user.name in moves:
            for output in user.outputs:
                yield from _readers(output, owners, moves)
        else:
            yield owners.get(user.name or "")


def _elements(value: ir.Value) -> int:
    """Values of one image; the batch comes first."""
    shape = list(value.shape or ())
    return math.prod(size for size in shape[1:] if isinstance(size, int))
