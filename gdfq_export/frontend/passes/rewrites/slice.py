"""Slice only along the axes that it shortens."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import add_initializer, input_at, integer_list

__all__ = ["SlicePass"]


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
    x = node.inputs[0]
    starts, ends = integer_list(input_at(node, 1)), integer_list(input_at(node, 2))
    if x is None or x.shape is None or starts is None or ends is None:
        return False
    axes, steps = list(range(len(starts))), [1] * len(starts)
    if input_at(node, 3) is not None:
        given = integer_list(input_at(node, 3))
        if given is None:
            return False
        axes = given
    if input_at(node, 4) is not None:
        given = integer_list(input_at(node, 4))
        if given is None:
            return False
        steps = given
    sizes = [size if isinstance(size, int) else 2**31 - 1 for size in x.shape]
    bounds = list(zip(starts, ends, axes, steps, strict=True))
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
