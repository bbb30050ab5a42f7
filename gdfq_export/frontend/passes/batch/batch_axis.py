"""A fixed batch that a graph folds into shapes is followed from value to value and freed.

Exporters write a fixed batch into targets of Reshape and Expand, sizes of Resize, and constants that are concatenated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from gdfq_export.frontend.passes.batch.symbolic_batch import BATCH_SYMBOL
from gdfq_export.frontend.passes.constants.constant import add_initializer, constant_array, integer_list, unused_name
from gdfq_export.support.fixed_batch.graph_batch import graph_batch

Shapes = Mapping[str, Sequence[int]]


class BatchNotFreed(Exception):
    """The graph computes something across the batch, or in a form that is not known here."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the batch is in a value: in this axis, behind `outer` other rows that are folded into it."""

    axis: int
    outer: int = 1


def free_batch(model: ir.Model, shapes: Shapes) -> None:
    """Let `model` take any batch; it is changed.

    Args:
        model: static graph with constants as initializers, whose inputs have the fixed batch in front.
        shapes: of every value at this batch.

    Raises:
        BatchNotFreed: it cannot.
    """
    walk = _Walk(model.graph, shapes)
    for value in model.graph.inputs:
        if not value.is_initializer():
            assert value.shape is not None
            value.shape = ir.Shape([BATCH_SYMBOL, *list(value.shape)[1:]])
            walk.places[value] = Place(0)
    for node in list(model.graph):
        walk.visit(node)
        for value in node.outputs:
            value.shape = ir.Shape([None] * len(walk.shape(value))) if value.is_graph_output() else None
    for value in model.graph.outputs:
        if walk.places.get(value) != Place(0):
            raise BatchNotFreed(f"the output {value.name} does not have the batch in front")


class _Walk:
    def __init__(self, graph: ir.Graph, shapes: Shapes) -> None:
        self.graph = graph
        self.shapes = {name: tuple(shape) for name, shape in shapes.items()}
        self.batch = graph_batch(graph) or 1
        self.places: dict[ir.Value, Place] = {}
        for value in (*graph.inputs, *graph.initializers.values()):
            self.shapes.setdefault(str(value.name), tuple(int(size) for size in value.shape or ()))  # type: ignore[arg-type]

    def visit(self, node: ir.Node) -> None:
        if not any(value in self.places for value in node.inputs if value is not None):
            return
        place = _RULES.get(node.op_type, _Walk.same)(self, node)
        self.places.update(dict.fromkeys(node.outputs, place))

    def shape(self, value: ir.Value | None) -> tuple[int, ...]:
        assert value is not None
        return self.shapes[str(value.name)]

    def data(self, node: ir.Node) -> Place:
        """The place of the batch in the first input."""
        value = node.inputs[0]
        if value not in self.places:
            raise self.refuse(node)
        return self.places[value]

    def refuse(self, node: ir.Node) -> BatchNotFreed:
        return BatchNotFreed(f"the {node.op_type} {node.name} works across the batch")

    def same(self, node: ir.Node) -> Place:
        """Operators on each number, with broadcasting; others whose shape stays."""
        shape = self.shape(node.outputs[0])
        found = {
            Place(len(shape) - len(self.shape(value)) + self.places[value].axis, self.places[value].outer)
            for value in node.inputs
            if value in self.places
        }
        if len(found) != 1:
            raise self.refuse(node)
        (place,) = found
        axis = node.attributes.get_int("axis", -1) % len(shape) if node.op_type in _ALONG else -1
        if axis == place.axis or (node.op_type == "LayerNormalization" and axis <= place.axis):
            raise self.refuse(node)
        if node.op_type != "MatMul":
            for index in range(len(node.inputs)):
                self._shorten_constants(node, index, place.axis - len(shape))
        return place

    def _shorten_constants(self, node: ir.Node, index: int, axis: int) -> None:
        """A constant with a row for each image of the batch, all alike, keeps one row."""
        value = node.inputs[index]
        array = constant_array(value)
        if value is None or array is None or array.ndim < -axis or array.shape[axis] == 1:
            return
        first = np.take(array, [0], axis=axis)
        if not np.array_equal(np.broadcast_to(first, array.shape), array):
            raise self.refuse(node)
        node.replace_input_with(index, add_initializer(self.graph, f"{value.name}_one", first))

    def leading(self, node: ir.Node) -> Place:
        """Convolutions, pooling and normalisation: the batch is in front."""
        if self.data(node) != Place(0):
            raise self.refuse(node)
        return Place(0)

    def reshape(self, node: ir.Node) -> Place:
        after, place = self.shape(node.outputs[0]), self._reshaped(node)
        target = np.array([-1 if axis == place.axis else size for axis, size in enumerate(after)], np.int64)
        name = f"{node.outputs[0].name}_shape_any_batch"
        self._become(node, "Reshape", [node.inputs[0], add_initializer(self.graph, name, target)])
        return place

    def _reshaped(self, node: ir.Node) -> Place:
        """The batch is behind the same number of rows as before; where it has no axis of its own, in front of one.

        The last axis, and one that stays as it is, take no batch in: `[L, 1, E]` becomes `[L * batch, E]`.
        """
        place, before, after = self.data(node), self.shape(node.inputs[0]), self.shape(node.outputs[0])
        rows = math.prod(before[: place.axis]) * place.outer
        fits = []
        for axis, size in enumerate(after):
            outer, rest = divmod(rows, math.prod(after[:axis]))
            if rest == 0 and outer > 0 and size % (outer * self.batch) == 0:
                fits.append(Place(axis, outer))
        last = len(after) - 1
        behind = [each for each in fits if each.axis != last and after[each.axis :] != before[place.axis + 1 :]] or fits
        own = [each for each in behind if each.outer == 1]
        if not fits:
            raise self.refuse(node)
        return (own or behind)[0]

    def _become(self, node: ir.Node, op_type: str, inputs: Sequence[ir.Value | None]) -> None:
        node.op_type = op_type
        node.attributes.clear()
        node.resize_inputs(len(inputs))
        for index, value in enumerate(inputs):
            node.replace_input_with(index, value)

    def transpose(self, node: ir.Node) -> Place:
        place, rank = self.data(node), len(self.shape(node.inputs[0]))
        perm = list(node.attributes.get_ints("perm", range(rank)[::-1]))
        return Place(perm.index(place.axis), place.outer)

    def matmul(self, node: ir.Node) -> Place:
        place = self.same(node)
        if place.axis == len(self.shape(node.outputs[0])) - 1:
            raise self.refuse(node)
        return place

    def gemm(self, node: ir.Node) -> Place:
        place = self.data(node)
        if place.axis != 0 or bool(node.attributes.get_int("transA", 0)) or node.inputs[1] in self.places:
            raise self.refuse(node)
        if len(node.inputs) > 2 and node.inputs[2] is not None:
            if place.outer != 1 and self.shape(node.inputs[2])[:-1] not in ((), (1,)):
                raise self.refuse(node)
            self._shorten_constants(node, 2, -2)
        return place

    def reduce(self, node: ir.Node) -> Place:
        place, rank = self.data(node), len(self.shape(node.inputs[0]))
        axes = integer_list(node.inputs[1]) if len(node.inputs) > 1 else None
        if node.op_type in ("ArgMax", "ArgMin"):
            axes = [node.attributes.get_int("axis", 0)]
        reduced = {axis % rank for axis in axes or range(rank)}
        if place.axis in reduced:
            raise self.refuse(node)
        kept = node.attributes.get_int("keepdims", 1)
        return place if kept else Place(place.axis - sum(axis < place.axis for axis in reduced), place.outer)

    def squeeze(self, node: ir.Node) -> Place:
        place, shape = self.data(node), self.shape(node.inputs[0])
        axes = integer_list(node.inputs[1]) if len(node.inputs) > 1 else None
        gone = {a for a, size in enumerate(shape) if size == 1} if axes is None else {a % len(shape) for a in axes}
        if place.axis in gone:
            raise self.refuse(node)
        return Place(place.axis - sum(axis < place.axis for axis in gone), place.outer)

    def unsqueeze(self, node: ir.Node) -> Place:
        place, rank = self.data(node), len(self.shape(node.outputs[0]))
        added = {axis % rank for axis in integer_list(node.inputs[1]) or []}
        left = [axis for axis in range(rank) if axis not in added]
        return Place(left[place.axis], place.outer)

    def gather(self, node: ir.Node) -> Place:
        place, shape = self.data(node), self.shape(node.inputs[0])
        axis, index = node.attributes.get_int("axis", 0) % len(shape), node.inputs[1]
        if axis == place.axis or index in self.places:
            raise self.refuse(node)
        return Place(place.axis + (len(self.shape(index)) - 1) * (axis < place.axis), place.outer)

    def window(self, node: ir.Node) -> Place:
        """Slice, Split, Pad, Tile: the size of the batch's axis stays."""
        place = self.data(node)
        sizes = {self.shape(value)[place.axis] for value in (node.inputs[0], *node.outputs)}
        if len(sizes) != 1:
            raise self.refuse(node)
        return place

    def expand(self, node: ir.Node) -> Place:
        place, after = self.same(node), list(self.shape(node.outputs[0]))
        after[place.axis] = 1
        name = f"{node.outputs[0].name}_shape_any_batch"
        node.replace_input_with(1, add_initializer(self.graph, name, np.array(after, np.int64)))
        return place

    def resize(self, node: ir.Node) -> Place:
        before, after = self.shape(node.inputs[0]), self.shape(node.outputs[0])
        if len(node.inputs) > 3 and node.inputs[3] is not None:
            scales = np.array([b / a for a, b in zip(before, after, strict=True)], np.float32)
            if any(math.floor(np.float32(a) * scale) != b for a, scale, b in zip(before, scales, after, strict=True)):
                raise self.refuse(node)
            name = f"{node.outputs[0].name}_scales_any_batch"
            node.resize_inputs(3)
            node.replace_input_with(2, add_initializer(self.graph, name, scales))
        return self.leading(node)

    def concat(self, node: ir.Node) -> Place:
        """`Concat(constant, x)` is `Pad(x) + constant`, which broadcasts the constant."""
        found = {self.places[value] for value in node.inputs if value in self.places}
        shape = self.shape(node.outputs[0])
        axis = node.attributes.get_int("axis", 0) % len(shape)
        if len(found) != 1 or next(iter(found)).axis == axis:
            raise self.refuse(node)
        (place,) = found
        moving = [index for index, value in enumerate(node.inputs) if value in self.places]
        if len(moving) < len(node.inputs):
            self._pad(node, axis, place, moving)
        return place

    def _pad(self, node: ir.Node, axis: int, place: Place, moving: list[int]) -> None:
        arrays = [constant_array(value) for value in node.inputs]
        if len(moving) != 1 or self.shape(node.inputs[moving[0]])[place.axis] != self.batch:
            raise self.refuse(node)
        shape = list(self.shape(node.outputs[0]))
        shape[place.axis] = 1
        summand, start, pads = np.zeros(shape, np.float32), 0, [0] * (2 * len(shape))
        for index, array in enumerate(arrays):
            width = self.shape(node.inputs[index])[axis]
            if index != moving[0]:
                if array is None or array.dtype != np.float32:
                    raise self.refuse(node)
                first = np.take(array, [0], axis=place.axis)
                if not np.array_equal(np.broadcast_to(first, array.shape), array):
                    raise self.refuse(node)
                places = [slice(None)] * len(shape)
                places[axis] = slice(start, start + width)
                summand[tuple(places)] = first
                pads[axis + (len(shape) if index > moving[0] else 0)] += width
            start += width
        name = str(node.outputs[0].name)
        padded = ir.node("Pad", [node.inputs[moving[0]], add_initializer(self.graph, f"{name}_pads", np.array(pads))])
        padded.outputs[0].name = unused_name(self.graph, f"{name}_padded")
        padded.name = f"{node.name}_pad"
        self.graph.insert_before(node, padded)
        self._become(node, "Add", [padded.outputs[0], add_initializer(self.graph, f"{name}_constant", summand)])


_ALONG = ("Softmax", "LogSoftmax", "Hardmax", "LayerNormalization", "CumSum", "TopK")

_LEADING = ("Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "LRN")
_NORMALISING = ("BatchNormalization", "InstanceNormalization", "GroupNormalization", "DepthToSpace", "SpaceToDepth")
_REDUCING = ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum", "ReduceL1", "ReduceL2", "ArgMax", "ArgMin")

_RULES: dict[str, Callable[[_Walk, ir.Node], Place]] = {
    **dict.fromkeys((*_LEADING, *_NORMALISING), _Walk.leading),
    **dict.fromkeys(("Reshape", "Flatten"), _Walk.reshape),
    **dict.fromkeys(_REDUCING, _Walk.reduce),
    **dict.fromkeys(("Slice", "Split", "Pad", "Tile"), _Walk.window),
    "Transpose": _Walk.transpose,
    "MatMul": _Walk.matmul,
    "Gemm": _Walk.gemm,
    "Squeeze": _Walk.squeeze,
    "Unsqueeze": _Walk.unsqueeze,
    "Gather": _Walk.gather,
    "Expand": _Walk.expand,
    "Resize": _Walk.resize,
    "Concat": _Walk.concat,
}
