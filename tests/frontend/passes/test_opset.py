"""Opsets 7 to 10, whose operators had other attributes, compute the same at opset 21."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from gdfq_export.errors import InputError
from gdfq_export.frontend.passes.canonical import canonicalize
from gdfq_export.frontend.passes.measured_shapes import run_model
from gdfq_export.frontend.passes.opset import opset_of, to_canonical_opset
from tests.frontend.sources import networks

SIZES = np.array([1, 1, 2, 2], np.float32)
IMAGE = np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)


def _old(opset: int, node: onnx.NodeProto, constants: dict[str, Any], *, ir_version: int) -> onnx.ModelProto:
    """One node; in IR version 3, every initializer is a graph input as well."""
    tensors = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    also = [helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in tensors if ir_version == 3]
    image = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 3, 8, 8])
    output = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    graph = helper.make_graph([node], "g", [image, *also], [output], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)


@pytest.mark.parametrize("ir_version", [3, 8])
@pytest.mark.parametrize(
    ("opset", "operator", "inputs", "attributes"),
    [
        (7, "Upsample", [], {"mode": "linear", "scales": [1.0, 1.0, 2.0, 2.0]}),
        (8, "Upsample", [], {"mode": "nearest", "scales": [1.0, 1.0, 2.0, 2.0]}),
        (9, "Upsample", ["sizes"], {"mode": "linear"}),
        (10, "Resize", ["sizes"], {"mode": "linear"}),
        (10, "Resize", ["sizes"], {"mode": "nearest"}),
        (7, "Clip", [], {"min": -0.5, "max": 0.5}),
        (9, "Pad", [], {"pads": [0, 0, 1, 1, 0, 0, 1, 1], "value": 0.5}),
        (9, "Slice", [], {"axes": [2], "starts": [1], "ends": [5]}),
        (8, "ReduceMean", [], {"axes": [2, 3], "keepdims": 0}),
        (7, "Softmax", [], {"axis": 1}),
        (9, "Dropout", [], {"ratio": 0.5}),
    ],
)
def test_old_operators(
    opset: int, operator: str, inputs: list[str], attributes: dict[str, Any], ir_version: int
) -> None:
    node = helper.make_node(operator, ["x", *inputs], ["y"], **attributes)
    proto = _old(opset, node, {"sizes": SIZES} if inputs else {}, ir_version=ir_version)
    expected = run_model(proto, {"x": IMAGE})["y"]
    found = to_canonical_opset(proto, "net.onnx")
    assert (opset_of(found), found.ir_version) == (21, 10)
    np.testing.assert_allclose(run_model(found, {"x": IMAGE})["y"], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("ir_version", [4, 7, 10, 13])
def test_every_version_of_the_file_format(ir_version: int) -> None:
    proto = networks.classifier()
    proto.ir_version = ir_version
    assert canonicalize(proto, "net.onnx").ir_version == 10


def test_what_the_converter_does_not_know_is_refused() -> None:
    proto = networks.classifier()
    proto.opset_import[0].version = 99
    with pytest.raises(InputError, match="export it with opset 21"):
        to_canonical_opset(proto, "net.onnx")
