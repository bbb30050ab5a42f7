"""Resize targets computed from shapes become constants."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import add_initializer, constant_array
from gdfq_export.frontend.passes.measured_shapes import Measured


class ConstantResizePass(ir.passes.InPlacePass):
    """Replace the sizes of a Resize that are computed (Shape, Slice, Concat, ...) by constants.

    `measured` holds what the graph computes at two batch sizes. The sizes become those of the axes that the node
    changes, in its attribute `axes` (opset 18), if they do not vary with the batch.
    """

    def __init__(self, measured: Mapping[str, Measured]) -> None:
        super().__init__()
        self._measured = measured

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Rewrite the main graph; the chains that fed a Resize are left to the removal of unused nodes."""
        modified = False
        for node in model.graph:
            computed = node.op_type == "Resize" and len(node.inputs) > 3 and node.inputs[3] is not None
            if not computed or constant_array(node.inputs[3]) is not None or "axes" in node.attributes:
                continue
            sizes = self._sizes(node)
            if sizes is None:
                continue
            target = np.array([*sizes.values()], np.int64)
            node.replace_input_with(3, add_initializer(model.graph, f"{node.outputs[0].name}_sizes", target))
            node.attributes["axes"] = ir.AttrInt64s("axes", [*sizes])
            modified = True
        return ir.passes.PassResult(model, modified)

    def _sizes(self, node: ir.Node) -> dict[int, int] | None:
        """Sizes of the axes that change, by axis; None if they cannot be constants."""
        source = None if node.inputs[0] is None else self._measured.get(str(node.inputs[0].name))
        result = self._measured[str(node.outputs[0].name)]
        policy = node.attributes.get_string("keep_aspect_ratio_policy", "stretch")
        if source is None or source.shapes is None or result.shapes is None or policy != "stretch":
            return None
        changed = [
            axis
            for axis, sizes in enumerate(zip(*source.shapes, *result.shapes, strict=True))
            if sizes[:2] != sizes[2:]
        ]
        first, second = result.shapes
        if not changed or any(first[axis] != second[axis] for axis in changed):
            return None
        return {axis: first[axis] for axis in changed}
