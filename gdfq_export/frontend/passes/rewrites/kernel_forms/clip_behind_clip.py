"""A Relu or Clip behind another is one Clip: kernels absorb one activation."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import add_initializer, constant_array

_CLIPS = frozenset({"Clip", "Relu"})


class ClipBehindClipPass(ir.passes.InPlacePass):
    """Turn `Clip(Clip(x, a, b), c, d)` into `Clip(x, max(a, c), min(b, d))`; a Relu is a Clip without upper bound.

    1. Nothing else reads what is between the two, and it is not the graph's output.
    2. The bounds are constants, and the two ranges overlap: otherwise the result is a constant.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Rewrite the main graph, whose order is topological; the last activation keeps its name."""
        modified = False
        for node in list(model.graph):
            first = _clip_in_front(node)
            if first is not None and (bounds := _both(clip_bounds(first), clip_bounds(node))) is not None:
                _merge(model.graph, first, node, bounds)
                modified = True
        return ir.passes.PassResult(model, modified)


def _clip_in_front(node: ir.Node) -> ir.Node | None:
    """The Relu or Clip whose result this one alone reads."""
    value = node.inputs[0] if node.op_type in _CLIPS else None
    first = None if value is None else value.producer()
    if value is None or first is None or first.op_type not in _CLIPS or value.is_graph_output():
        return None
    return first if len(list(value.uses())) == 1 else None


def clip_bounds(clip: ir.Node) -> tuple[float, float]:
    """Lower and upper bound of a Relu or Clip; NaN where one is computed in the graph."""
    if clip.op_type == "Relu":
        return 0.0, math.inf
    found = [-math.inf, math.inf]
    for index, value in enumerate(clip.inputs[1:3]):
        if value is not None:
            array = constant_array(value)
            found[index] = math.nan if array is None else float(array)
    return found[0], found[1]


def _both(first: tuple[float, float], second: tuple[float, float]) -> tuple[float, float] | None:
    if any(map(math.isnan, (*first, *second))):
        return None
    low, high = max(first[0], second[0]), min(first[1], second[1])
    return (low, high) if first[0] <= first[1] and second[0] <= second[1] and low <= high else None


def _merge(graph: ir.Graph, first: ir.Node, last: ir.Node, bounds: tuple[float, float]) -> None:
    last.replace_input_with(0, first.inputs[0])
    if bounds == (0.0, math.inf):
        last.resize_inputs(1)
        last.op_type = "Relu"
    else:
        last.op_type = "Clip"
        last.resize_inputs(3)
        for index, (name, bound) in enumerate(zip(("min", "max"), bounds, strict=True), 1):
            wanted, array = f"{last.outputs[0].name}_{name}", np.asarray(bound, np.float32)
            last.replace_input_with(index, add_initializer(graph, wanted, array) if math.isfinite(bound) else None)
    graph.remove(first, safe=True)
