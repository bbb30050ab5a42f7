"""Small Q/DQ files with what OpenVINO computes wrongly or does not load: the rules alone have to name it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

_WEIGHTS = np.random.default_rng(0).integers(-100, 101, (4, 4)).astype(np.int8)
_STEP = 0.02


def padded() -> onnx.ModelProto:
    """An average that counts padding, of codes whose zero point is not 0."""
    window = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}
    return _file([*_pair("x", 100), ("AveragePool", ["x_dq"], ["y"], window)])


def reduced_signal() -> onnx.ModelProto:
    """The mean over the channels of a signal, in float."""
    return _file(
        [*_pair("x", 0), ("ReduceMean", ["x_dq", "axes"], ["y"])], sizes=(4, 6), arrays={"axes": np.array([1])}
    )


def joined_layers() -> onnx.ModelProto:
    """Two fully connected layers without biases."""
    layers = [("MatMul", ["x_dq", "w_dq"], ["a"]), *_pair("a", 128), ("MatMul", ["a_dq", "w_dq"], ["y"])]
    return _file([*_pair("x", 128), *_weights(), *layers], sizes=(4,), arrays={"w": _WEIGHTS})


def joined_features() -> onnx.ModelProto:
    """A DepthToSpace of joined features."""
    joined = [("Concat", ["x_dq", "x_dq"], ["j"], {"axis": 1}), *_pair("j", 128)]
    return _file([*_pair("x", 128), *joined, ("DepthToSpace", ["j_dq"], ["y"], {"blocksize": 2})])


def left_out_constant() -> onnx.ModelProto:
    """Seven tenths of a step are added in front of a QuantizeLinear of the same step."""
    added = [("Add", ["x_dq", "added"], ["a"]), *_pair("a", 0), ("Relu", ["a_dq"], ["y"])]
    return _file([*_pair("x", 0), *added], arrays={"added": np.float32(0.7 * _STEP)})


def rounded_constant() -> onnx.ModelProto:
    """Three tenths of a step are added in front of a convolution."""
    added = [("Add", ["x_dq", "added"], ["a"]), ("Conv", ["a", "w_dq"], ["y"])]
    arrays = {"added": np.float32(0.3 * _STEP), "w": _WEIGHTS[:, :, None, None]}
    return _file([*_pair("x", 0), *_weights(), *added], arrays=arrays)


def _pair(value: str, zero: int) -> list[Any]:
    grid = ["step", f"zero_{zero}"]
    return [
        ("QuantizeLinear", [value, *grid], [f"{value}_q"]),
        ("DequantizeLinear", [f"{value}_q", *grid], [f"{value}_dq"]),
    ]


def _weights() -> list[Any]:
    return [("DequantizeLinear", ["w", "w_step"], ["w_dq"])]


def _file(
    nodes: Sequence[Any], *, sizes: Sequence[int] = (4, 6, 6), arrays: dict[str, Any] | None = None
) -> onnx.ModelProto:
    numbers = {"step": np.float32(_STEP), "w_step": np.float32(0.01), **(arrays or {})}
    used = {name for node in nodes for name in node[1]}
    numbers |= {name: np.uint8(name.removeprefix("zero_")) for name in used if name.startswith("zero_")}
    graph = helper.make_graph(
        [
            helper.make_node(node[0], node[1], node[2], name=f"{node[0]}_{node[2][0]}", **(node[3] if node[3:] else {}))
            for node in nodes
        ],
        "fault",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["batch", *sizes])],
        [onnx.ValueInfoProto(name="y")],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in numbers.items() if name in used],
    )
    return onnx.shape_inference.infer_shapes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]))
