"""Builds a tiny ONNX model in a few lines, for tests of every room.

tiny_graph.model(
    nodes=[("Conv", ["x", "w"], ["y"], {"pads": [1, 1, 1, 1]}), ("Relu", ["y"], ["z"])],
    inputs={"x": ("batch", 3, 8, 8)},
    outputs=["z"],
    initializers={"w": weights},
)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from onnx import helper, numpy_helper

Node = tuple[str, Sequence[str], Sequence[str]] | tuple[str, Sequence[str], Sequence[str], Mapping[str, Any]]


def model(
    *,
    nodes: Sequence[Node],
    inputs: Mapping[str, Sequence[int | str]],
    outputs: Sequence[str],
    initializers: Mapping[str, np.ndarray] | None = None,
    opset: int = 21,
    infer_shapes: bool = True,
) -> onnx.ModelProto:
    """Return a checked ONNX model; all graph inputs are float32.

    Args:
        nodes: `(op_type, inputs, outputs)` or `(op_type, inputs, outputs, attributes)`; "" leaves an optional input
            out. An attribute given as a numpy array becomes a tensor. A node is named after its first output.
        inputs: shape by name; a string is a symbolic dimension.
        outputs: names of graph outputs; their types come from shape inference.
        initializers: arrays by name, stored with their own dtype.
        opset: version of the default operator set.
        infer_shapes: annotate every value with its inferred type and shape (needed where outputs must have a type).
    """
    protos = []
    for op_type, node_inputs, node_outputs, *rest in nodes:
        attributes = {
            key: numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
            for key, value in (rest[0] if rest else {}).items()
        }
        name = f"{op_type}_{node_outputs[0]}"
        protos.append(helper.make_node(op_type, list(node_inputs), list(node_outputs), name=name, **attributes))
    graph = helper.make_graph(
        protos,
        "tiny",
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, list(shape)) for name, shape in inputs.items()],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in (initializers or {}).items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    proto = helper.make_model(graph, opset_imports=opsets, ir_version=helper.find_min_ir_version_for(opsets))
    if infer_shapes:
        proto = onnx.shape_inference.infer_shapes(proto, strict_mode=True, data_prop=True)
        onnx.checker.check_model(proto)
    return proto


def graph(**arguments: Any) -> ir.Model:
    """Return what `model` builds as an onnx-ir model."""
    return ir.from_proto(model(**arguments))
