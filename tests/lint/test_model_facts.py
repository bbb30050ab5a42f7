"""Facts of a file: layers and their numbers, bytes, and sentences that say what form it has."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from gdfq_export.lint import bytes_on_disk, inspect_file
from gdfq_export.recipe import Bits
from tests import tiny_graph
from tests.lint.peer_files import network
from tests.qdq.qdq_files import ARRAYS, conv, file
from tests.simulator.quantized import quantize


def test_layers_have_their_bits_axes_and_zero_points() -> None:
    facts = inspect_file(file(), 1234)
    assert [(layer.name, layer.numbers) for layer in facts.layers] == [
        ("Conv_c", "W8A8"),
        ("Conv_e", "W8A8"),
        ("Gemm_y", "W8A8"),
    ]
    first = facts.layers[0]
    assert (first.activation_dtype, first.weight_dtype, first.bias_bits) == ("UINT8", "INT8", 32)
    assert (first.activation_zero_point, first.weight_zero_point) == ((128, 128), (0, 0))
    assert (first.weight_axis, first.weight_scales, first.bytes) == (0, 8, 8 * 4 * 9 + 8 * 4)
    assert facts.layers_quantized_as_written == 3 and facts.quantized_as_written == 1.0
    assert facts.bytes == 1234
    assert (facts.quantize_linear, facts.dequantize_linear) == (5, 11)
    assert facts.form == "Q/DQ: 5 QuantizeLinear, 11 DequantizeLinear"


def test_half_a_layer_does_not_count() -> None:
    model = file({"x_q": [], "x_dq": [], "c": [conv("x", "w_dq", "b_dq", "c")]})
    facts = inspect_file(model, 0)
    assert facts.layers[0].numbers == "W8"
    assert (facts.layers_quantized_as_written, facts.quantized_as_written) == (2, pytest.approx(2 / 3))


@pytest.mark.parametrize("target", ["ort-cpu", "tensorrt"])
def test_low_bits_are_seen(target: str) -> None:
    facts = inspect_file(quantize(network(), Bits(weights=4, activations=4), target).file, 0)
    assert [layer.numbers for layer in facts.layers] == ["W8A8", "W4A8", "W4A4", "W8A8"]


def test_bytes_are_counted_by_type() -> None:
    facts = inspect_file(file(), 0)
    stored = {array.dtype.name: 0 for array in ARRAYS.values()}
    for array in ARRAYS.values():
        stored[array.dtype.name] += array.nbytes
    names = {"INT8": "int8", "UINT8": "uint8", "INT32": "int32", "FLOAT": "float32"}
    assert facts.initializer_bytes == {name: stored[names[name]] for name in facts.initializer_bytes}
    assert set(facts.initializer_bytes) == set(names)


def test_a_float_file_says_that_it_is_one() -> None:
    facts = inspect_file(network(), 0)
    assert facts.form.startswith("float: it holds no QuantizeLinear")
    assert [layer.numbers for layer in facts.layers] == ["float"] * 4
    assert facts.quantized_as_written == 0.0 and facts.tensors == ()


def test_a_file_of_integer_operators_is_counted_and_said() -> None:
    one, zero = np.asarray(1, np.float32), np.asarray(0, np.uint8)
    inputs = ["q", "one", "zero", "w", "one", "w_zero", "one", "zero"]
    model = tiny_graph.model(
        nodes=[
            ("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
            ("QLinearConv", inputs, ["c"], {"kernel_shape": [1, 1]}),
            ("Cast", ["c"], ["y"], {"to": onnx.TensorProto.FLOAT}),
        ],
        inputs={"x": ("batch", 3, 4, 4)},
        outputs=["y"],
        initializers={"one": one, "zero": zero, "w": np.ones((2, 3, 1, 1), np.int8), "w_zero": np.asarray(0, np.int8)},
    )
    facts = inspect_file(model, 0)
    assert facts.integer_operators == {"DynamicQuantizeLinear": 1, "QLinearConv": 1}
    assert facts.form == "dynamic, with scales measured at run time: 1 DynamicQuantizeLinear, 1 QLinearConv"
    assert [(layer.op_type, layer.numbers) for layer in facts.layers] == [("Conv", "W2A8")]


def test_what_we_say_of_a_file_of_ours_is_there() -> None:
    facts = inspect_file(quantize(network()).file, 0)
    assert facts.producer.startswith("gdfq-export ") and facts.metadata == {"version": "test", "target": "ort-cpu"}
    assert facts.opsets == {"ai.onnx": 21}
    assert [(each.name, each.dtype, each.shape) for each in facts.inputs] == [("x", "FLOAT", ("batch", 3, 8, 8))]


def test_json_holds_numbers_that_are_none_as_text() -> None:
    facts = inspect_file(file(r_scale=np.asarray(np.nan, np.float32)), 0)
    plain = json.loads(facts.to_json())
    (tensor,) = (each for each in plain["tensors"] if each["name"] == "r")
    assert tensor["scale"] == ["nan", "nan"]
    assert plain["layers"][0]["numbers"] == "W8A8" and plain["quantized_as_written"] == 1.0


def test_external_data_counts(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(network(), path, save_as_external_data=True, location="net.data", size_threshold=0)
    assert bytes_on_disk(path) == path.stat().st_size + (tmp_path / "net.data").stat().st_size
