"""Every tool's way to write a quantized tensor is read as the same facts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from gdfq_export.lint import TensorFacts, quantized_tensors
from gdfq_export.planning.plan import Role
from gdfq_export.recipe import Bits
from tests import tiny_graph
from tests.jobs.verify.quantized_classifier import classifier
from tests.lint.peer_files import SHAPE, Images, network, static_file
from tests.qdq.qdq_files import ARRAYS, INT4, dq, file, floats
from tests.simulator.quantized import quantize


def by_name(model: onnx.ModelProto) -> dict[str, TensorFacts]:
    return {tensor.name: tensor for tensor in quantized_tensors(model)}


def test_a_file_is_read_tensor_by_tensor() -> None:
    found = by_name(file())
    assert list(found) == ["x", "w_q", "b_q", "r", "v_q", "d_q", "e", "p", "f", "g_q", "h_q"]
    assert found["x"] == TensorFacts(
        name="x",
        role=Role.INPUT,
        dtype="UINT8",
        stored=None,
        bits=8,
        codes=(0, 255),
        axis=None,
        scales=1,
        scale=(float(np.float32(0.02)), float(np.float32(0.02))),
        zero_point=(128, 128),
        bytes=0,
        consumers=("Conv_c",),
        quantize=("QuantizeLinear_x_q",),
        dequantize=("DequantizeLinear_x_dq",),
    )
    weight = found["v_q"]
    assert (weight.role, weight.dtype, weight.stored, weight.axis, weight.scales) == (Role.WEIGHT, "INT8", "INT8", 0, 8)
    assert (weight.bytes, weight.consumers, weight.quantize) == (8 * 8 * 9, ("Conv_e",), ())
    assert weight.codes == (ARRAYS["v_q"].min(), ARRAYS["v_q"].max())
    assert (found["h_q"].role, found["h_q"].bits, found["h_q"].bytes) == (Role.BIAS, 32, 20)


def test_weights_stored_as_float_have_the_bits_of_their_codes() -> None:
    """As ModelOpt and torch write them."""
    nodes = {"v_dq": [("QuantizeLinear", ["vf", "v_scale", "v_zero"], ["v_q"], {"axis": 0}), dq("v")]}
    weight = by_name(file(nodes, vf=floats(8, 8, 3, 3)))["vf"]
    assert (weight.role, weight.dtype, weight.stored, weight.bytes) == (Role.WEIGHT, "INT8", "FLOAT", 4 * 8 * 8 * 9)
    assert weight.quantize == ("QuantizeLinear_v_q",) and weight.dequantize == ("DequantizeLinear_v_dq",)
    codes = np.clip(np.rint(floats(1) / 1), -128, 127)
    assert codes.size and weight.codes is not None and -128 <= weight.codes[0] < 0 < weight.codes[1] <= 127


def test_int4_behind_a_cast_is_four_bits_in_half_the_bytes() -> None:
    nodes = {"v_dq": [("Cast", ["v_4"], ["v_q"], {"to": TensorProto.INT8}), dq("v")]}
    weight = by_name(file(nodes, v_4=INT4))["v_4"]
    assert (weight.bits, weight.dtype, weight.stored, weight.bytes) == (4, "INT8", "INT4", 8 * 8 * 9 // 2)


@pytest.mark.parametrize(("low", "high", "bits"), [(0, 15, 4), (0, 14, 4), (0, 16, 5), (0, 255, 8)])
def test_a_clip_of_codes_says_how_many_bits_an_activation_has(low: int, high: int, bits: int) -> None:
    nodes = [
        ("QuantizeLinear", ["r", "r_scale", "r_zero"], ["r_wide"]),
        ("Clip", ["r_wide", "low", "high"], ["r_q"]),
    ]
    found = by_name(file({"r_q": nodes}, low=np.asarray(low, np.uint8), high=np.asarray(high, np.uint8)))["r"]
    assert (found.codes, found.bits, found.consumers) == ((low, high), bits, ("Conv_e",))


@pytest.mark.parametrize(("target", "activations"), [("ort-cpu", 4), ("tensorrt", 4), ("openvino", 6), ("portable", 6)])
def test_our_own_files_have_the_bits_that_were_asked_for(target: str, activations: int) -> None:
    """Clipped as codes or as values, by target."""
    quantized = quantize(network(), Bits(weights=4, activations=activations), target)
    found = by_name(quantized.file)
    inner = [point for point in quantized.plan.points if point.bits == activations and point.role is Role.ACTIVATION]
    assert inner
    for point in inner:
        name = point.tensor if point.tensor in found else f"{point.key}_clipped"
        assert found[name].bits == point.bits
    weights = {tensor.bits for tensor in found.values() if tensor.role is Role.WEIGHT}
    assert 4 in weights


def test_a_file_of_quantize_static_is_read(tmp_path: Path) -> None:
    found = by_name(static_file(network(), tmp_path, recommended=True))
    roles = [tensor.role for tensor in found.values()]
    assert roles.count(Role.WEIGHT) == roles.count(Role.BIAS) == 4
    assert {tensor.dtype for tensor in found.values() if tensor.role is Role.ACTIVATION} == {"UINT8"}
    assert {tensor.axis for tensor in found.values() if tensor.role is Role.WEIGHT} == {0}
    assert found["x"].role is Role.INPUT


def test_a_file_of_nncf_is_read() -> None:
    nncf = pytest.importorskip("nncf", reason="pip install nncf")
    model = network()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    images = Images("x", SHAPE)
    found = by_name(nncf.quantize(model, nncf.Dataset([images.get_next(), images.get_next()]), subset_size=2))
    roles = [tensor.role for tensor in found.values()]
    assert roles.count(Role.WEIGHT) == 4 and roles.count(Role.INPUT) == 1 and Role.BIAS not in roles
    assert all(tensor.bits == 8 and tensor.consumers for tensor in found.values())


def test_a_pad_on_codes_reads_one_tensor_and_writes_another() -> None:
    model = quantize(_padded()).file
    found = quantized_tensors(model)
    (pad,) = (node for node in model.graph.node if node.op_type == "Pad")
    assert any(pad.name in tensor.consumers for tensor in found)
    assert any(tensor.quantize == () and tensor.role is Role.ACTIVATION for tensor in found)


def _padded() -> onnx.ModelProto:
    random = np.random.default_rng(0)
    return tiny_graph.model(
        nodes=[
            ("Conv", ["x", "w"], ["c"], {"kernel_shape": [1, 1]}),
            ("Relu", ["c"], ["r"]),
            ("Pad", ["r", "pads"], ["p"]),
            ("MaxPool", ["p"], ["m"], {"kernel_shape": [2, 2]}),
            ("Conv", ["m", "v"], ["e"], {"kernel_shape": [1, 1]}),
            ("GlobalAveragePool", ["e"], ["g"]),
            ("Flatten", ["g"], ["y"]),
        ],
        inputs={"x": ("batch", 3, 8, 8)},
        outputs=["y"],
        initializers={
            "w": random.normal(size=(4, 3, 1, 1)).astype(np.float32),
            "v": random.normal(size=(5, 6, 1, 1)).astype(np.float32),
            "pads": np.array([0, 1, 0, 0, 0, 1, 0, 0]),
        },
    )


def test_scales_of_a_run_are_not_known() -> None:
    largest = ("ReduceMax", ["x"], ["x_scale"], {"keepdims": 0})
    found = by_name(file({"x_q": [largest, ("QuantizeLinear", ["x", "x_scale", "x_zero"], ["x_q"])]}))["x"]
    assert found.scale is None and found.zero_point == (128, 128)


def test_operators_on_codes_are_no_tensors_and_no_error() -> None:
    model = tiny_graph.model(
        nodes=[
            ("QuantizeLinear", ["x", "one", "zero"], ["q"]),
            ("ConvInteger", ["q", "w", "zero"], ["s"], {"kernel_shape": [1, 1]}),
            ("Cast", ["s"], ["y"], {"to": TensorProto.FLOAT}),
        ],
        inputs={"x": ("batch", 3, 4, 4)},
        outputs=["y"],
        initializers={
            "one": np.asarray(1, np.float32),
            "zero": np.asarray(0, np.uint8),
            "w": np.ones((2, 3, 1, 1), np.int8),
        },
    )
    (tensor,) = quantized_tensors(model)
    assert (tensor.name, tensor.consumers, tensor.dequantize) == ("x", ("ConvInteger_s",), ())


def test_a_float_file_has_none() -> None:
    assert quantized_tensors(classifier().float_network()) == ()
