"""A PRelu whose channels share one slope is a LeakyRelu, which runtimes compute on codes or inside a layer."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import constant_array


class LeakyReluPass(ir.passes.InPlacePass):
    """Rewrite `PRelu(x, slope)` to `LeakyRelu(x)` with `alpha` = slope: the same products.

    1. The slope is a constant, with one element or with all elements equal.
    2. It is finite and not negative: what LeakyRelu's statistics and equalization between layers assume.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Rewrite the main graph."""
        modified = False
        for node in model.graph:
            slope = _slope(node) if node.op_type == "PRelu" else None
            if slope is not None:
                node.resize_inputs(1)
                node.attributes["alpha"] = ir.AttrFloat32("alpha", slope)
                node.op_type = "LeakyRelu"
                modified = True
        return ir.passes.PassResult(model, modified)


def _slope(node: ir.Node) -> float | None:
    slopes = constant_array(node.inputs[1])
    if slopes is None or slopes.size == 0 or (slopes != slopes.flat[0]).any():
        return None
    slope = float(slopes.flat[0])
    return slope if np.isfinite(slope) and slope >= 0 else None
