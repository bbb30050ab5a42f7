"""What is left of a file when Q/DQ are taken out, and the uses of codes that are refused."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from gdfq_export.errors import InputError
from gdfq_export.qdq.read_back import read_back
from gdfq_export.qdq.read_back.constant_folding import prepare
from gdfq_export.qdq.read_back.remove_qdq import FloatGraph, float_graph, key_of
from gdfq_export.targets import find_target
from tests import tiny_graph
from tests.jobs.verify.quantized_classifier import classifier, images
from tests.qdq.read_back.drafted import require_exact
from tests.qdq.read_back.rewritten import nodes, put
from tests.simulator.quantized import images_for, quantize
from tests.simulator.random_network import CHANNELS, CLASSES, SIDE, Network


def taken_out(file: onnx.ModelProto) -> FloatGraph:
    return float_graph(prepare(file), find_target("ort-cpu"))


def padded() -> onnx.ModelProto:
    """A shortcut of a Slice and a Pad, which our writer puts on the codes."""
    net = Network(0)
    net.conv(CHANNELS)
    channels, side = net.shape[0], net.shape[1]
    net.add("Pad", [net.at, net.constant(np.array([0, 1, 0, 0, 0, 1, 0, 0]))], (channels + 2, side, side))
    net.conv(CHANNELS)
    net.add("GlobalAveragePool", [net.at], (CHANNELS, 1, 1))
    net.add("Flatten", [net.at])
    net.add("Gemm", [net.at, net.weights(CLASSES, CHANNELS)], transB=1)
    return tiny_graph.model(
        nodes=net.nodes, inputs={"x": ("batch", 3, SIDE, SIDE)}, outputs=[net.at], initializers=net.initializers
    )


def test_a_float_graph_remains_and_what_its_values_were() -> None:
    file = classifier().quantized()
    found = taken_out(file)
    assert [node.op_type for node in found.model.graph] == ["Conv", "Relu", "Flatten", "Gemm"]
    assert {name: value.codes for name, value in found.activations.items()} == {
        "image": "image_quantized",
        "hidden": "hidden_quantized",
        "flat": "flat_quantized",
    }
    assert set(found.constants) == {"conv", "bias", "fc"} or set(found.constants) == {"conv_1", "bias", "fc"}
    onnx.checker.check_model(classifier().quantized())


def test_constants_are_the_numbers_they_stand_for() -> None:
    network = classifier()
    graph = taken_out(network.quantized()).model.graph
    layer = next(node for node in graph if node.op_type == "Gemm")
    weight = layer.inputs[1]
    assert weight is not None and weight.const_value is not None
    assert np.array_equal(weight.const_value.numpy(), (network.matrix * network.matrix_scale[:, None]))


def test_a_pad_between_codes_is_one_between_floats_and_exact() -> None:
    proto = padded()
    file = quantize(proto).file
    found = taken_out(file)
    assert found.on_codes == {"Pad_t1"}
    pad = next(node for node in found.model.graph if node.op_type == "Pad")
    assert pad.inputs[0] is not None and pad.inputs[0].name == "t0"
    require_exact(file, images_for(proto, 6))


def test_a_pad_with_another_code_than_that_of_zero_is_refused() -> None:
    file = quantize(padded()).file
    put(file, "t1_padding", np.uint8(1))
    with pytest.raises(InputError, match="Pad Pad_t1 pads codes with another number than that of zero: no exact"):
        read_back(file)


def test_an_input_that_is_also_read_in_float_is_both() -> None:
    file = classifier().quantized()
    file.graph.node.append(helper.make_node("Abs", ["image"], ["beside"], name="beside"))
    file.graph.output.append(helper.make_tensor_value_info("beside", TensorProto.FLOAT, None))
    found = require_exact(file, images(10)).run(images(3))
    assert np.array_equal(found["beside"], np.abs(images(3)))


def test_an_output_that_is_codes_keeps_its_name() -> None:
    file = classifier().quantized()
    nodes(file, "Gemm")[0].output[0] = "sums"
    numbers = [put(file, "sums_scale", np.float32(0.5)), put(file, "sums_zero", np.uint8(100))]
    file.graph.node.append(helper.make_node("QuantizeLinear", ["sums", *numbers], ["sums_codes"]))
    file.graph.node.append(helper.make_node("DequantizeLinear", ["sums_codes", *numbers], ["logits"]))
    assert {"sums_codes", "logits"} <= require_exact(file, images(10)).run(images(2)).keys()


def another_scale(file: onnx.ModelProto) -> None:
    nodes(file, "DequantizeLinear")[0].input[1] = put(file, "other", np.float32(0.5))


def a_second_pair(file: onnx.ModelProto) -> None:
    numbers = [put(file, "second_scale", np.float32(0.5)), put(file, "second_zero", np.uint8(0))]
    nodes(file, "Flatten")[0].input[0] = "second"
    file.graph.node.insert(
        5, helper.make_node("QuantizeLinear", ["hidden_dequantized", *numbers], ["second_codes"], name="again")
    )
    file.graph.node.insert(6, helper.make_node("DequantizeLinear", ["second_codes", *numbers], ["second"]))


def a_sum_of_codes(file: onnx.ModelProto) -> None:
    file.graph.node.append(helper.make_node("Cast", ["hidden_quantized"], ["wide"], to=TensorProto.INT32, name="wide"))


def codes_as_output(file: onnx.ModelProto) -> None:
    file.graph.output.append(helper.make_tensor_value_info("hidden_quantized", TensorProto.UINT8, None))


def odd_limits(file: onnx.ModelProto) -> None:
    limits = [put(file, "low", np.uint8(1)), put(file, "high", np.uint8(9))]
    dequantize = next(node for node in file.graph.node if node.input[0] == "hidden_quantized")
    dequantize.input[0] = "limited"
    index = list(file.graph.node).index(dequantize)
    file.graph.node.insert(index, helper.make_node("Clip", ["hidden_quantized", *limits], ["limited"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (another_scale, "reads codes with another scale or zero point than they were written with"),
        (a_second_pair, "QuantizeLinear again changes the scale of what another pair quantized"),
        (a_sum_of_codes, "Cast wide computes with codes"),
        (codes_as_output, "writes the graph's output hidden_quantized as codes"),
        (odd_limits, "is next to hidden, whose codes from 1 to 9 are not those of whole bits"),
    ],
)
def test_codes_used_in_another_way_are_refused(change, message: str) -> None:
    file = classifier().quantized()
    change(file)
    with pytest.raises(InputError, match=message + ".*: no exact simulation of it exists"):
        read_back(file)


@pytest.mark.parametrize(("codes", "key"), [("t1_q", "t1"), ("w_quantized", "w"), ("image_QuantizeLinear_Output",) * 2])
def test_a_point_is_called_after_its_codes(codes: str, key: str) -> None:
    assert key_of(codes) == key
