"""The constants of a file by name, unread: a large network's weights are not copied to look at its scales."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

__all__ = ["constant_tensors", "scalar_of"]


def constant_tensors(model: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    """Initializers and the tensors of Constant nodes."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value":
                    tensors[node.output[0]] = attribute.t
    return tensors


def scalar_of(constants: Mapping[str, onnx.TensorProto], name: str) -> NDArray[np.generic] | None:
    """The constant `name` as an array of no axes, None where it is no constant or has several elements."""
    tensor = constants.get(name)
    if tensor is None or np.prod(tensor.dims, dtype=np.int64) != 1:
        return None
    value: NDArray[np.generic] = numpy_helper.to_array(tensor).reshape(())
    return value
