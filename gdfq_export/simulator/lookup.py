"""Unary operators from codes to codes, computed by the runtime itself.

Transcendental functions differ between implementations in the last bit, so that the runtime's own kernel is used.
LeakyRelu and Sigmoid are computed on codes by looking up one of 256 results: the table is one run over all codes.
Softmax is run as it is.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import onnxruntime
import torch
from onnx import helper, numpy_helper

from gdfq_export.simulator.session import one_thread_session
from gdfq_export.support.quant_params import QuantParams


def lookup_table(node: ir.Node, source: QuantParams, result: QuantParams, *, opset: int) -> torch.Tensor:
    """int32 [256]: the output code for every input code of a unary node; arguments are those of `UnaryKernel`."""
    codes = torch.arange(source.storage_range[0], source.storage_range[1] + 1, dtype=torch.int32)
    return UnaryKernel(node, source, result, opset=opset, rank=1)(codes)


class UnaryKernel:
    """A unary node from codes to codes, int32 tensors both.

    Args:
        node: a node with one activation input and attributes only.
        source: grid of the input.
        result: grid of the output.
        opset: opset of the graph.
        rank: number of axes of the input.
    """

    def __init__(self, node: ir.Node, source: QuantParams, result: QuantParams, *, opset: int, rank: int) -> None:
        self._stored = source.dtype
        self._result = result
        self._session = _session(node, source, result, opset, rank)

    def __call__(self, codes: torch.Tensor) -> torch.Tensor:
        """Output codes."""
        (found,) = self._session.run(None, {"codes": codes.numpy().astype(self._stored)})
        return torch.from_numpy(np.clip(found.astype(np.int32), *self._result.code_range))


def _session(
    node: ir.Node, source: QuantParams, result: QuantParams, opset: int, rank: int
) -> onnxruntime.InferenceSession:
    initializers = []
    for name, grid in {"x": source, "y": result}.items():
        initializers.append(numpy_helper.from_array(np.asarray(grid.scale, np.float32), f"{name}_scale"))
        initializers.append(numpy_helper.from_array(np.asarray(grid.zero_point, grid.dtype), f"{name}_zero_point"))
    element = helper.np_dtype_to_tensor_dtype(source.dtype)
    operator = ir.to_proto(node)
    operator.input[:] = ["x"]
    operator.output[:] = ["y"]
    graph = helper.make_graph(
        [
            helper.make_node("DequantizeLinear", ["codes", "x_scale", "x_zero_point"], ["x"]),
            operator,
            helper.make_node("QuantizeLinear", ["y", "y_scale", "y_zero_point"], ["result"]),
        ],
        "unary",
        [helper.make_tensor_value_info("codes", element, [None] * rank)],
        [helper.make_tensor_value_info("result", element, [None] * rank)],
        initializers,
    )
    return one_thread_session(graph, opset)
