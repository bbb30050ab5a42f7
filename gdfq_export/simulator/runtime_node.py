"""One float node, computed by ONNX Runtime itself.

Softmax, HardSwish and their like differ between implementations in the last bit, and a last bit moves an integer behind
the next QuantizeLinear. So the integer simulator leaves what stays float to the runtime's own kernel, node by node.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import onnxruntime
import torch
from onnx import NodeProto, TensorProto, helper
from torch import Tensor

from gdfq_export.simulator.session import one_thread_session


class RuntimeNode:
    """Runs one node on tensors of any shape.

    Args:
        node: a node of a canonical graph.
        opset: the graph's opset.
    """

    def __init__(self, node: ir.Node, *, opset: int) -> None:
        self.proto: NodeProto = ir.to_proto(node)
        self.opset = opset
        self.sessions: dict[tuple[tuple[np.dtype, int], ...], onnxruntime.InferenceSession] = {}

    def __call__(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Outputs by name, of inputs by name; an input that is left out has no entry."""
        arrays = {name: tensor.detach().contiguous().numpy() for name, tensor in inputs.items()}
        kinds = tuple((array.dtype, array.ndim) for array in arrays.values())
        if kinds not in self.sessions:
            self.sessions[kinds] = self._session(arrays)
        results = self.sessions[kinds].run(None, arrays)
        return dict(zip(filter(None, self.proto.output), map(torch.from_numpy, results), strict=True))

    def _session(self, arrays: dict[str, np.ndarray]) -> onnxruntime.InferenceSession:
        inputs = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), [None] * array.ndim)
            for name, array in arrays.items()
        ]
        written = filter(None, self.proto.output)
        outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in written]
        graph = helper.make_graph([self.proto], "node", inputs, outputs)
        return one_thread_session(graph, self.opset)
