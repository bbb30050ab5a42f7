"""Sub and Div by a constant are Add and Mul: half the operators for all that follows."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import add_initializer, constant_array


class ConstantArithmeticPass(ir.passes.InPlacePass):
    """Rewrite the second operand where it is a float32 constant.

    1. `Sub(x, c)` becomes `Add(x, -c)`: exact.
    2. `Div(x, c)` becomes `Mul(x, 1 / c)` where every 1 / c is finite and not subnormal: two roundings instead of one,
       at most 1.5 units in the last place (1.8e-7 relative); exact where c is a power of two.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Rewrite the main graph."""
        modified = False
        for node in model.graph:
            if node.op_type not in ("Sub", "Div") or constant_array(node.inputs[0]) is not None:
                continue
            operand = node.inputs[1]
            array = constant_array(operand)
            if operand is None or array is None or array.dtype != np.float32:
                continue
            if node.op_type == "Sub":
                rewritten, suffix, op_type = -array, "negated", "Add"
            else:
                with np.errstate(divide="ignore", over="ignore", under="ignore"):
                    rewritten = (1.0 / array.astype(np.float64)).astype(np.float32)
                magnitude = np.abs(rewritten)
                if not np.isfinite(rewritten).all() or (magnitude < np.finfo(np.float32).tiny).any():
                    continue
                suffix, op_type = "inverted", "Mul"
            node.replace_input_with(1, add_initializer(model.graph, f"{operand.name}_{suffix}", rewritten))
            node.op_type = op_type
            modified = True
        return ir.passes.PassResult(model, modified)
