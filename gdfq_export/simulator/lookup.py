"""Tables of unary operators: ONNX Runtime computes LeakyRelu and Sigmoid on codes by looking up one of 256 results.

The table is asked of the runtime itself, by running the operator over all codes once: transcendental functions differ
between implementations in the last bit, and a table read from the kernel cannot.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import torch
from onnx import TensorProto, helper, numpy_helper

from gdfq_export.simulator.kernels import Grid
from gdfq_export.simulator.session import one_thread_session

__all__ = ["lookup_table"]


def lookup_table(node: ir.Node, source: Grid, result: Grid, *, opset: int) -> torch.Tensor:
    """int32 [256]: the output code for every input code of a unary node.

    Args:
        node: a node with one activation input and attributes only.
        source: grid of the input.
        result: grid of the output.
        opset: opset of the graph.
    """
    grids = {"x": source, "y": result}
    initializers = []
    for name, grid in grids.items():
        dtype = np.int8 if grid.storage_min < 0 else np.uint8
        initializers.append(numpy_helper.from_array(np.asarray(grid.scale, np.float32), f"{name}_scale"))
        initializers.append(numpy_helper.from_array(np.asarray(grid.zero_point, dtype), f"{name}_zero_point"))
    element = TensorProto.INT8 if source.storage_min < 0 else TensorProto.UINT8
    operator = ir.to_proto(node)
    operator.input[:] = ["x"]
    operator.output[:] = ["y"]
    graph = helper.make_graph(
        [
            helper.make_node("DequantizeLinear", ["codes", "x_scale", "x_zero_point"], ["x"]),
            operator,
            helper.make_node("QuantizeLinear", ["y", "y_scale", "y_zero_point"], ["result"]),
        ],
        "table",
        [helper.make_tensor_value_info("codes", element, [256])],
        [helper.make_tensor_value_info("result", element, [256])],
        initializers,
    )
    session = one_thread_session(graph, opset)
    stored = np.int8 if source.storage_min < 0 else np.uint8
    codes = np.arange(source.storage_min, source.storage_max + 1).astype(stored)
    (table,) = session.run(None, {"codes": codes})
    return torch.from_numpy(np.clip(table.astype(np.int32), result.code_min, result.code_max))
