"""The graph while Q/DQ is put into it: its values and nodes by name, and what is added to it.

Names of nodes, inputs, outputs and float values stay the user's; new tensors are called `<key>_q` (codes), `<key>_dq`
and `<key>_scale`; zero points are shared and called by type, value and shape, like `int8_0_64`. New nodes have no
names: in a small network names take as many bytes as a layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from gdfq_export.planning.plan import PlannedNode, QuantPlan, QuantPoint
from gdfq_export.simulator import Encoding
from gdfq_export.targets.subbyte_types import NARROW_TYPES


def dequantized_name(key: str) -> str:
    """Name, in the file, of the dequantized tensor of the point `key`."""
    return f"{key}_dq"


def scale_name(key: str) -> str:
    """Name, in the file, of the scale of the point or group `key`."""
    return f"{key}_scale"


class WrittenGraph:
    """One graph on its way to the file, with the plan and the numbers that say what is put into it.

    Attributes:
        values: those of the float network, by name.
        nodes: those of the float network, by name.

    Args:
        graph: of the float network; changed in place.
        plan: where Q/DQ go.
        encodings: scales, zero points and codes by point key.
        zero_points_by_shape: weights of different ranks or axes do not share zero points (`Target`).
    """

    def __init__(
        self,
        graph: ir.Graph,
        plan: QuantPlan,
        encodings: Mapping[str, Encoding],
        *,
        zero_points_by_shape: bool = False,
    ) -> None:
        self.graph = graph
        self._apart = zero_points_by_shape
        self._shapes: dict[str, tuple[int, int]] = {}  # rank and axis of the weights that share zero points, by name
        self.plan = plan
        self.encodings = encodings
        self.values = {
            value.name: value
            for value in (
                *graph.inputs,
                *graph.initializers.values(),
                *(output for node in graph for output in node.outputs),
            )
        }
        self.nodes = {node.name: node for node in graph}

    def planned(self, node: ir.Node) -> PlannedNode:
        """What the plan says of a node of the float network."""
        return self.plan.by_node[node.name or ""]

    def constant(self, name: str, array: np.ndarray) -> ir.Value:
        """The initializer of that name, made of `array` where there is none yet."""
        if name not in self.graph.initializers:
            tensor = ir.tensor(array, name=name)
            self.graph.register_initializer(
                ir.Value(name=name, const_value=tensor, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype))
            )
        return self.graph.initializers[name]

    def zero_points(self, point: QuantPoint, shape: tuple[int, ...]) -> ir.Value:
        """The zero points of a tensor; equal ones are stored once, most tensors having the same."""
        value = self.encodings[point.key].zero_point
        dtype = point.dtype
        if point.native:
            dtype = NARROW_TYPES[point.stored_bits].dtype
        name = "_".join([dtype.name, str(value), *map(str, shape)])
        if self._apart and (codes := self.encodings[point.key].codes) is not None and point.axis is not None:
            rank_and_axis = (codes.ndim, point.axis)
            if self._shapes.setdefault(name, rank_and_axis) != rank_and_axis:
                name = "_".join([name, *map(str, rank_and_axis)])
        return self.constant(name, np.full(shape, value, dtype))

    def node(
        self,
        op_type: str,
        inputs: Sequence[ir.Value | None],
        output: str,
        attributes: Mapping[str, int | float] | None = None,
        name: str | None = "",
    ) -> ir.Value:
        """Append a node; what it writes, called `output`."""
        node = ir.node(op_type, inputs, attributes=dict(attributes or {}), name=name)
        node.outputs[0].name = output
        self.graph.append(node)
        return node.outputs[0]

    def dequantize(
        self, point: QuantPoint, inputs: list[ir.Value], attributes: Mapping[str, int] | None = None
    ) -> ir.Value:
        """Let the consumers of a point read it dequantized; what they then read."""
        real = self.node("DequantizeLinear", inputs, dequantized_name(point.key), attributes)
        for user, index in list(self.values[point.tensor].uses()):
            if user.name in point.consumers:
                user.replace_input_with(index, real)
        return real

    def leave_out(self, node: ir.Node) -> None:
        """Remove an absorbed node; its producer writes its output, under its name."""
        before, after = node.inputs[0], node.outputs[0]
        assert before is not None
        name = after.name
        after.replace_all_uses_with(before, replace_graph_outputs=True)
        self.graph.remove(node, safe=True)
        before.name = name
        self.values[name] = before

    def remove_unused(self) -> None:
        """Remove nodes and initializers that nothing reads."""
        for node in reversed(list(self.graph)):
            if not any(output.uses() or output.is_graph_output() for output in node.outputs):
                self.graph.remove(node, safe=True)
        for name, value in list(self.graph.initializers.items()):
            if not value.uses() and not value.is_graph_output():
                del self.graph.initializers[name]
