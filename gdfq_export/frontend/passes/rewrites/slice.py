"""Slice only along the axes that it shortens."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import add_initializer, input_at, integer_list


class SlicePass(ir.passes.InPlacePass):
    """Drop the axes along which a Slice with constant bounds takes everything, as exporters write for `x[:, :, ::2]`.

    1. An axis is dropped if it starts at 0, has step 1 and ends at its size or beyond; the batch must end at
       2**31 - 1 or beyond, which no batch reaches.
    2. A Slice that is left without axes becomes an Identity, for the elimination of Identity to remove.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Rewrite the main graph; shapes must be known."""
        modified = False
        for node in model.graph:
            if node.op_type == "Slice":
                modified = _shorten(model.graph, node) or modified
        return ir.passes.PassResult(model, modified)


def _shorten(graph: ir.Graph, node: ir.Node) -> bool:
    x, bounds = node.inputs[0], _bounds(node)
    if x is None or x.shape is None or bounds is None:
        return False
    sizes = [size if isinstance(size, int) else 2**31 - 1 for size in x.shape]
    kept = [(a, b, axis, step) for a, b, axis, step in bounds if a != 0 or step != 1 or b < sizes[axis]]
    if len(kept) == len(bounds):
        return False
    if not kept:
        node.resize_inputs(1)
        node.op_type = "Identity"
        return True
    name = node.outputs[0].name
    node.resize_inputs(5)
    for index, (part, numbers) in enumerate(
        zip(("starts", "ends", "axes", "steps"), zip(*kept, strict=True), strict=True), 1
    ):
        node.replace_input_with(index, add_initializer(graph, f"{name}_{part}", np.array(numbers, np.int64)))
    return True


def _bounds(node: ir.Node) -> list[tuple[int, int, int, int]] | None:
    """(start, end, axis, step) of each axis; None where one of them is not constant."""
    starts, ends = integer_list(input_at(node, 1)), integer_list(input_at(node, 2))
    if starts is None or ends is None:
        return None
    axes = _given(node, 3, list(range(len(starts))))
    steps = _given(node, 4, [1] * len(starts))
    return None if axes is None or steps is None else list(zip(starts, ends, axes, steps, strict=True))


def _given(node: ir.Node, index: int, default: list[int]) -> list[int] | None:
    return default if input_at(node, index) is None else integer_list(input_at(node, index))
