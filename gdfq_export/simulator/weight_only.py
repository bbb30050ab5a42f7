"""A matrix product of float activations and weights in blocks, as the target's runtime computes it.

ONNX Runtime's MatMulNBits rounds activations to 8 bits by its own rule and adds in its own order. For a runtime that is
simulated to the bit, a session of ONNX Runtime computes it: DequantizeLinear and the product, as the file has them
(`qdq/writer/constants.py`). Other runtimes are simulated as multiplying in float.
"""

from __future__ import annotations

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from gdfq_export.planning.plan import QuantPoint
from gdfq_export.simulator.encoding import Encoding
from gdfq_export.simulator.session import one_thread_session
from gdfq_export.targets.subbyte_types import NARROW_TYPES


def dequantized_blocks(point: QuantPoint, encoding: Encoding) -> np.ndarray:
    """The weight in float32, in its own shape."""
    assert encoding.codes is not None and point.block is not None and point.block_axis is not None
    axis = point.block_axis
    scale = np.repeat(encoding.scale, point.block, axis).take(range(encoding.codes.shape[axis]), axis)
    return np.asarray(encoding.codes.astype(np.float32) * scale)


class WeightOnlyKernel:
    """Multiplies activations of any rank with one weight.

    Args:
        point: of its weight.
        encoding: of its weight.
        opset: the graph's opset.
        exact: compute with ONNX Runtime instead of multiplying in float.
    """

    def __init__(self, point: QuantPoint, encoding: Encoding, *, opset: int, exact: bool) -> None:
        self.opset = opset
        transposed = point.block_axis == 1
        assert encoding.codes is not None
        self.codes = encoding.codes.T if transposed else encoding.codes  # [inputs, outputs]
        self.scale = encoding.scale.T if transposed else encoding.scale
        self.block = point.block
        weight = dequantized_blocks(point, encoding)
        self.weight = None if exact else torch.from_numpy(np.ascontiguousarray(weight.T if transposed else weight))
        self.sessions: dict[int, onnxruntime.InferenceSession] = {}

    def __call__(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """Products [..., outputs] of x [..., inputs]."""
        product = x @ self.weight if self.weight is not None else self._ask(x)
        return product if bias is None else product + bias

    def _ask(self, x: Tensor) -> Tensor:
        if x.dim() not in self.sessions:
            self.sessions[x.dim()] = self._session(x.dim())
        (result,) = self.sessions[x.dim()].run(None, {"x": x.contiguous().numpy()})
        return torch.from_numpy(result)

    def _session(self, rank: int) -> onnxruntime.InferenceSession:
        narrow = NARROW_TYPES[4].dtype
        arrays = {
            "codes": self.codes.astype(narrow),
            "scale": np.ascontiguousarray(self.scale),
        }
        nodes = [
            helper.make_node("DequantizeLinear", ["codes", "scale"], ["w"], axis=0, block_size=self.block),
            helper.make_node("MatMul", ["x", "w"], ["y"]),
        ]
        shape = [*[None] * (rank - 1), self.codes.shape[0]]
        graph = helper.make_graph(
            nodes,
            "weight_only",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(array, name) for name, array in arrays.items()],
        )
        return one_thread_session(graph, self.opset)
