"""Where gradients end: the values that teacher and simulator return for an output that torch cannot compute.

1. A node is computed in torch if it has a torch function (`lower`) that runs, and so have all that it depends on.
2. A value has a gradient if it is a float that such a node computes from a value with a gradient, and the node's
   function is no step function. The graph's input has one.
3. An output without gradient is cut: the nearest values before it that have one are compared in its place.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import onnx_ir as ir

from gdfq_export.errors import InputError
from gdfq_export.frontend.torch_import.operators import lower

_STEPS = frozenset({"Ceil", "Floor", "Round", "Sign"})
_SHAPES = frozenset({"Shape", "Size"})
_FLOATS = (ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.DOUBLE)


class Gradients:
    """Which values of a canonical graph, whose values have types, have a gradient.

    Args:
        graph: the graph.
        failing: names of nodes whose torch function does not compute what the graph says (`failing_node`).
    """

    def __init__(self, graph: ir.Graph, failing: Collection[str] = ()) -> None:
        self._graph = graph
        self._failing = failing
        self._in_torch: set[ir.Value] = set(graph.inputs)
        self._with_gradient: dict[ir.Value, None] = dict.fromkeys(graph.inputs)  # in graph order
        for node in graph:
            self._add(node)

    def _add(self, node: ir.Node) -> None:
        computed = [value for value in read_by(node) if not is_constant(value)]
        if not self._in_torch.issuperset(computed) or node.name in self._failing or not has_torch_function(node):
            return
        self._in_torch.update(node.outputs)
        if node.op_type not in _STEPS | _SHAPES and any(value in self._with_gradient for value in computed):
            self._with_gradient |= dict.fromkeys(value for value in node.outputs if value.dtype in _FLOATS)

    def cuts(self) -> dict[str, tuple[str, ...]]:
        """What is compared in the place of outputs without gradient, by their names."""
        found = {str(output.name): self.before_cut(output) for output in self._graph.outputs}
        return {name: values for name, values in found.items() if values is not None}

    def before_cut(self, output: ir.Value) -> tuple[str, ...] | None:
        """Names of the values that are compared in the place of `output`, in graph order; None if it has a gradient."""
        if output in self._with_gradient:
            return None
        found: set[ir.Value] = set()
        seen: set[ir.Value] = set()
        pending = [output]
        while pending:
            value = pending.pop()
            node = value.producer()
            if value in seen or node is None:
                continue
            seen.add(value)
            if value in self._with_gradient:
                found.add(value)
            elif node.op_type not in _SHAPES:
                pending.extend(read_by(node))
        return tuple(str(value.name) for value in self._with_gradient if value in found)


def has_torch_function(node: ir.Node) -> bool:
    """Whether torch computes `node`, as far as the node alone says."""
    try:
        lower(node)
    except InputError:
        return False
    return True


def read_by(node: ir.Node) -> Iterator[ir.Value]:
    """What `node` reads, each value once, with what its subgraphs (If, Loop, Scan) read from outside of them."""
    captured = (value for graph in subgraphs(node) for value in _captured(graph))
    yield from dict.fromkeys(value for value in (*node.inputs, *captured) if value is not None)


def subgraphs(node: ir.Node) -> Iterator[ir.Graph]:
    """The graphs that `node` holds as attributes."""
    for attribute in node.attributes.values():
        if attribute.type is ir.AttributeType.GRAPH:
            yield attribute.as_graph()
        elif attribute.type is ir.AttributeType.GRAPHS:
            yield from attribute.as_graphs()


def _captured(graph: ir.Graph) -> Iterator[ir.Value]:
    own = {*graph.inputs, *graph.initializers.values(), *(output for node in graph for output in node.outputs)}
    read = [*graph.outputs, *(value for node in graph for value in read_by(node))]
    yield from (value for value in read if value not in own)


def is_constant(value: ir.Value) -> bool:
    """Whether `value` is an initializer or what a Constant node gives."""
    return ir.convenience.get_const_tensor(value) is not None
