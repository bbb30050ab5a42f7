from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from gdfq_export.frontend.passes.accepted_forms.float32 import in_float32
from gdfq_export.frontend.passes.canonical import canonicalize
from gdfq_export.frontend.passes.measured_shapes import run_model
from gdfq_export.frontend.sources import load_model
from tests import tiny_graph
from tests.frontend.sources import networks

TYPES = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16, "double": np.float64}
KINDS = {"float16": TensorProto.FLOAT16, "bfloat16": TensorProto.BFLOAT16, "double": TensorProto.DOUBLE}


def _retyped(name: str) -> onnx.ModelProto:
    """The small classifier, computed in another type from end to end."""
    proto = networks.classifier()
    for tensor in proto.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(TYPES[name]), tensor.name))
    for value in (*proto.graph.input, *proto.graph.output, *proto.graph.value_info):
        value.type.tensor_type.elem_type = KINDS[name]
    return proto


@pytest.mark.parametrize("name", list(TYPES))
def test_a_network_of_another_type_is_converted_and_that_is_said(tmp_path: Path, name: str) -> None:
    proto = _retyped(name)
    before = proto.SerializeToString()
    model = load_model(networks.saved(tmp_path, proto), scale=255)
    assert [warning for warning in model.warnings if f"computes in {name}:" in warning]
    assert proto.SerializeToString() == before
    image = np.random.default_rng(0).random((2, 3, 8, 8), np.float32)
    found = run_model(model.original, {"x": image})["y"]
    np.testing.assert_allclose(found, run_model(networks.classifier(), {"x": image})["y"], rtol=0.05, atol=0.05)


def _casts(nodes: Sequence[tiny_graph.Node]) -> onnx.ModelProto:
    read = {name for node in nodes for name in node[1]}
    constants = {"limit": np.float64(0.25), "w": np.ones((4, 192), np.float16)}
    constants = {name: array for name, array in constants.items() if name in read}
    return tiny_graph.model(nodes=nodes, inputs={"x": ("n", 3, 8, 8)}, outputs=["y"], initializers=constants)


def test_a_double_constant_behind_a_cast_is_no_double_network() -> None:
    cast: tiny_graph.Node = ("Cast", ["limit"], ["low"], {"to": TensorProto.FLOAT})
    proto, types = in_float32(_casts([cast, ("Max", ["x", "low"], ["y"])]))
    assert types == () and all(tensor.data_type == TensorProto.FLOAT for tensor in proto.graph.initializer[:1])


def test_float16_between_two_casts_becomes_float32() -> None:
    nodes: list[tiny_graph.Node] = [
        ("Flatten", ["x"], ["f"]),
        ("Cast", ["f"], ["h"], {"to": TensorProto.FLOAT16}),
        ("Gemm", ["h", "w"], ["z"], {"transB": 1}),
        ("Cast", ["z"], ["y"], {"to": TensorProto.FLOAT}),
    ]
    proto, types = in_float32(_casts(nodes))
    assert types == ("float16",)
    model = canonicalize(proto, "net.onnx")
    assert [node.op_type for node in model.graph] == ["Flatten", "Gemm"]
    image = np.random.default_rng(0).random((2, 3, 8, 8), np.float32)
    expected = image.sum((1, 2, 3))[:, None] @ np.ones((1, 4))
    np.testing.assert_allclose(run_model(ir.to_proto(model), {"x": image})["y"], expected, rtol=1e-5)


def test_subgraphs_and_functions_are_converted_too() -> None:
    branches = [
        helper.make_graph(
            [helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.float16(number)))],
            name,
            [],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT16, [])],
        )
        for name, number in (("one", 1), ("two", 2))
    ]
    body = [helper.make_node("Cast", ["a"], ["b"], to=TensorProto.FLOAT16)]
    half = helper.make_function("own", "Half", ["a"], ["b"], body, [helper.make_opsetid("", 21)])
    nodes = [
        helper.make_node("If", ["flag"], ["c"], then_branch=branches[0], else_branch=branches[1]),
        helper.make_node("Half", ["x"], ["h"], domain="own"),
        helper.make_node("Mul", ["h", "c"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT16, None)],
        [numpy_helper.from_array(np.array(True), "flag")],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("own", 1)]
    proto, types = in_float32(helper.make_model(graph, functions=[half], opset_imports=opsets, ir_version=10))
    assert types == ("float16",)
    image = np.random.default_rng(0).random((1, 3, 8, 8), np.float32)
    np.testing.assert_array_equal(run_model(proto, {"x": image})["y"], image)


def test_a_float32_network_is_left_as_it_is() -> None:
    proto = networks.classifier()
    found, types = in_float32(proto)
    assert found is proto and types == ()
