"""CastLike, which torch's exporter writes where it is not asked to optimise: a Cast, of a constant mostly.

A graph without CastLike is left as it is.
"""

from __future__ import annotations

import onnx
import onnx_ir as ir
from onnxscript import optimizer


def fold_cast_like(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return `proto` with its constants folded where it holds a CastLike."""
    if not any(node.op_type == "CastLike" for node in proto.graph.node):
        return proto
    model = ir.from_proto(proto)
    optimizer.fold_constants_ir(model)
    return ir.to_proto(model)
