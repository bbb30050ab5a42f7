"""One file breaks each rule, and OpenVINO shows what it does with it."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx
import pytest

from gdfq_export.errors import InputError
from gdfq_export.lint import check
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from gdfq_export.runtimes.openvino import OpenVino
from gdfq_export.support.finding import Consequence
from gdfq_export.targets import find_target
from tests.qdq.qdq_files import ARRAYS, PRODUCT, Nodes, codes, conv, dq, file, floats, gemm, image, pair

Found = tuple[str, str, Consequence]
FLOAT, WRONG = Consequence.FLOAT, Consequence.WRONG
FLOAT_WEIGHT: dict[str, Nodes] = {"v_dq": []}
ACROSS = {"r_q": [pair("r", axis=1)[0]], "r_dq": [pair("r", axis=1)[1]]}
INT4 = {"v_q": np.ones((8, 8, 3, 3), ml_dtypes.int4), "v_zero": np.zeros(8, ml_dtypes.int4)}
UINT8 = {"v_q": (ARRAYS["v_q"].astype(int) + 128).astype(np.uint8), "v_zero": np.full(8, 128, np.uint8)}
SUM = [*pair("a", "e_scale", "e_zero"), ("GlobalAveragePool", ["a_dq"], ["p"])]
ADDED: dict[str, Nodes] = {"p": [("Add", ["e_dq", "r_dq"], ["a"]), *SUM]}
AROUND = {"r_zero": np.asarray(100, np.uint8)}
AVERAGED: Nodes = [
    ("AveragePool", ["r_dq"], ["m"], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1})
]
PADDED: Nodes = [("Pad", ["r_dq", "pads"], ["m"]), *pair("m", "r_scale", "r_zero"), conv("m_dq", "v_dq", "d_dq", "e")]

FLOATS: dict[str, tuple[onnx.ModelProto, Found]] = {
    "float weight": (file(FLOAT_WEIGHT, v_dq=floats(8, 8, 3, 3)), ("float layer", "Conv_e", FLOAT)),
    "float activation": (
        file({"x_q": [], "x_dq": [], "c": [conv("x", "w_dq", "b_dq", "c")]}),
        ("half quantized", "Conv_c", FLOAT),
    ),
    "uint8 weight": (file(**UINT8), ("uint8 weights", "Conv_e", FLOAT)),
    "zero point of a weight": (
        file(v_zero=np.full(8, 3, np.int8)),
        ("weight zero point", "Conv_e", FLOAT),
    ),
    "INT4 weight without a Cast": (file(**INT4), ("type", "Conv_e", FLOAT)),
    "scales of a Conv along its inputs": (
        file({"v_dq": [dq("v", axis=1)]}, v_scale=np.linspace(0.001, 0.004, 8, dtype=np.float32)),
        ("weight axis", "Conv_e", FLOAT),
    ),
    "an activation of many scales": (
        file(ACROSS, r_scale=np.linspace(0.01, 0.03, 8, dtype=np.float32), r_zero=np.zeros(8, np.uint8)),
        ("activation scale", "QuantizeLinear_r_q", FLOAT),
    ),
}
WRONGS: dict[str, tuple[onnx.ModelProto, Found]] = {
    "scales of a Gemm along its inputs": (
        file(
            {"g_dq": [dq("g", axis=1)], "h_dq": [], "y": [gemm(bias="")]},
            g_scale=np.linspace(0.001, 0.004, 8, dtype=np.float32),
            g_zero=np.zeros(8, np.int8),
        ),
        ("weight axis", "Gemm_y", WRONG),
    ),
    "INT4 activation": (
        file(r_zero=np.asarray(0, ml_dtypes.int4)),
        ("4-bit activations", "QuantizeLinear_r_q", WRONG),
    ),
    "padding that is averaged, of other codes than 0": (
        file({"e": [*AVERAGED, *pair("m", "r_scale", "r_zero"), conv("m_dq", "v_dq", "d_dq", "e")]}, **AROUND),
        ("padding", "AveragePool_m", WRONG),
    ),
    "channels that are padded, of other codes than 0": (
        file({"e": PADDED}, pads=np.array([0, 0, 0, 0, 0, 2, 0, 0]), v_q=codes(8, 10, 3, 3), **AROUND),
        ("padding", "Pad_m", WRONG),
    ),
}
FINE = {
    "the good file": file(),
    "float biases": file({"d_dq": [], "h_dq": []}, d_dq=floats(8), h_dq=floats(5)),
    "Flatten without a pair behind it": file({"f_q": [], "f_dq": [], "y": [gemm("f")]}),
    "no pair between a Conv and its Add": file({"e_q": [], "e_dq": [], "p": [("Add", ["e", "r_dq"], ["a"]), *SUM]}),
    "rows and columns that are padded": file({"e": PADDED}, pads=np.array([0, 0, 1, 1, 0, 0, 1, 1]), **AROUND),
    "channels that are padded, of the code 0": file(
        {"e": PADDED}, pads=np.array([0, 0, 0, 0, 0, 2, 0, 0]), v_q=codes(8, 10, 3, 3)
    ),
    "a Relu quantized from below 0": file(r_zero=np.asarray(10, np.uint8)),
}


def found(model: onnx.ModelProto) -> list[Found]:
    return [(each.rule, each.node, each.consequence) for each in check(model, find_target("openvino"))]


def float_layers(model: onnx.ModelProto) -> set[str]:
    graph = OpenVino().examine(model.SerializeToString())
    return {node.name for node in graph.nodes if node.kind == "float compute"}


def difference(model: onnx.ModelProto) -> float:
    data = model.SerializeToString()
    ours = OpenVino().load(data, 1).run(image())
    written = OnnxRuntime(as_written=True).load(data, 1).run(image())
    return float(np.abs(ours - written).max() / np.abs(written).max())


@pytest.mark.parametrize("name", FLOATS)
def test_what_is_said_to_run_in_float_does(name: str) -> None:
    pytest.importorskip("openvino")
    model, expected = FLOATS[name]
    assert found(model) == [expected]
    layers = float_layers(model)
    assert len(layers) == 1
    assert expected[0] == "activation scale" or layers == {expected[1]}


@pytest.mark.parametrize("name", WRONGS)
def test_what_is_said_to_give_wrong_numbers_does(name: str) -> None:
    pytest.importorskip("openvino")
    model, expected = WRONGS[name]
    assert found(model) == [expected]
    assert difference(model) > 0.03


@pytest.mark.parametrize("name", FINE)
def test_nothing_is_found_in_a_good_file(name: str) -> None:
    pytest.importorskip("openvino")
    assert found(FINE[name]) == []
    assert float_layers(FINE[name]) == set()
    assert difference(FINE[name]) < 0.01


def test_a_scale_that_is_no_number_is_refused() -> None:
    pytest.importorskip("openvino")
    model = file({"d_dq": [], "e": [conv("r_dq", "v_dq", "", "e")]}, r_scale=np.asarray(np.nan, np.float32))
    assert ("scale", "QuantizeLinear_r_q", Consequence.REFUSED) in found(model)
    with pytest.raises(InputError):
        OpenVino().load(model.SerializeToString(), 1).run(image())


def test_a_pair_between_a_convolution_and_its_add_is_not_rounded() -> None:
    model = file(ADDED)
    assert found(model) == [("pair before an Add", "QuantizeLinear_e_q", Consequence.ROUNDED)]
    onnx.helper.set_model_props(model, {"gdfq_export.target": "openvino"})
    assert found(model) == []


def test_a_bias_of_other_steps_is_computed_as_written_and_named() -> None:
    pytest.importorskip("openvino")
    model = file(h_scale=ARRAYS["h_scale"] * np.float32(1.5))
    assert found(model) == [("bias scale", "Gemm_y", Consequence.MISTAKE)]
    assert difference(model) < 0.01


def test_a_product_of_two_activations_may_run_in_float() -> None:
    """The target has no rule for it; a pair stands there for the sake of what else reads the activation."""
    pytest.importorskip("openvino")
    model = file({"p": PRODUCT})
    assert found(model) == []
    assert float_layers(model) == {"MatMul_m"}
