"""Dropout does nothing at inference."""

from __future__ import annotations

import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import constant_array, input_at


class DropoutToIdentityPass(ir.passes.InPlacePass):
    """Turn Dropout into Identity, for the elimination of Identity to remove.

    1. `training_mode` (input 2) is absent or a constant false.
    2. The mask output is not used.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Rewrite all Dropout nodes of the main graph."""
        modified = False
        for node in list(model.graph):
            if node.op_type != "Dropout" or any(
                output.uses() or output.is_graph_output() for output in node.outputs[1:]
            ):
                continue
            training = input_at(node, 2)
            if training is not None:
                flag = constant_array(training)
                if flag is None or bool(flag):
                    continue
            node.resize_outputs(1)
            node.resize_inputs(1)
            node.attributes.clear()
            node.op_type = "Identity"
            modified = True
        return ir.passes.PassResult(model, modified)
