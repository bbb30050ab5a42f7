"""Reshape targets computed from shapes become constants."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import add_initializer, constant_array
from gdfq_export.frontend.passes.measured_shapes import BATCHES, Measured


class ConstantReshapePass(ir.passes.InPlacePass):
    """Replace a Reshape target that is computed (Shape, Gather, Concat, ...) by a constant.

    The target is what the graph computes at two batch sizes; `measured` holds both.

    1. No entry varies: the target is that constant.
    2. The first entry is the batch, and so is the data's first dimension: 0 ("as the input"), which leaves -1 free for
       another entry.
    3. One other entry varies, or the first one in another way: -1.
    4. More entries vary, or the target depends on the elements of the images: it stays, since no constant is the same.
    """

    def __init__(self, measured: Mapping[str, Measured]) -> None:
        super().__init__()
        self._measured = measured

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Rewrite the main graph; the chains that fed a Reshape are left to the removal of unused nodes."""
        modified = False
        for node in model.graph:
            if node.op_type != "Reshape" or constant_array(node.inputs[1]) is not None:
                continue
            target = self._target(node)
            if target is None:
                continue
            name = f"{node.outputs[0].name}_shape"
            node.replace_input_with(1, add_initializer(model.graph, name, np.array(target, np.int64)))
            node.attributes.pop("allowzero", None)
            modified = True
        return ir.passes.PassResult(model, modified)

    def _target(self, node: ir.Node) -> list[int] | None:
        data = node.inputs[0]
        assert data is not None
        shapes = self._measured[str(node.outputs[0].name)].shapes
        if shapes is None:
            return None
        first, second = shapes
        target = list(first)
        varying = [axis for axis, (a, b) in enumerate(zip(first, second, strict=True)) if a != b]
        if varying and varying[0] == 0 and (first[0], second[0]) == BATCHES and self._leads_with_batch(data):
            target[0] = 0
            varying = varying[1:]
        if len(varying) > 1:
            return None
        for axis in varying:
            target[axis] = -1
        return target

    def _leads_with_batch(self, data: ir.Value) -> bool:
        if data.is_graph_input():
            return True
        facts = self._measured.get(str(data.name))
        if facts is None or facts.shapes is None:
            return False
        first, second = facts.shapes
        return bool(first) and (first[0], second[0]) == BATCHES
