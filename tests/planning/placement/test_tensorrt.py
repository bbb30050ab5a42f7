"""Where Q/DQ go on TensorRT: what layers read and the edge that skips them, in front of nothing that could be fused."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from gdfq_export.planning.plan import QuantPlan, Role
from gdfq_export.recipe import Bits
from tests import tiny_graph
from tests.planning.placement.planned import Nodes, conv, head, planned, weights
from tests.simulator.quantized import quantize

FOUR = Bits(weights=4, activations=4, first_last=4, residual=4, input=4)
CONSTANTS = {**{name: weights(4, 4, 3, 3) for name in "wvu"}, "b": weights(4), "g": weights(5, 4)}
RESIDUAL: Nodes = [
    conv("x", "w", "c", "b"),
    ("Relu", ["c"], ["r"]),
    conv("r", "v", "d"),
    ("Relu", ["d"], ["s"]),
    conv("s", "u", "e"),
    ("Add", ["r", "e"], ["a"]),
    ("Relu", ["a"], ["t"]),
    *head("t"),
]


def used(nodes: Nodes, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    read = {name for node in nodes for name in node[1]}
    return {name: array for name, array in (CONSTANTS | arrays).items() if name in read}


def plan(nodes: Nodes, bits: Bits = FOUR, **arrays: np.ndarray) -> QuantPlan:
    return planned(nodes, output="y", bits=bits, target="tensorrt", **used(nodes, arrays))


def file(bits: Bits, nodes: Nodes = RESIDUAL) -> onnx.ModelProto:
    proto = tiny_graph.model(nodes=nodes, inputs={"x": ("batch", 4, 6, 6)}, outputs=["y"], initializers=used(nodes, {}))
    return quantize(proto, bits, "tensorrt").file


def activations(quantized: QuantPlan) -> set[str]:
    return {point.tensor for point in quantized.points if point.role in (Role.INPUT, Role.ACTIVATION)}


def producer(model: onnx.ModelProto, value: str) -> onnx.NodeProto:
    return next(node for node in model.graph.node if value in node.output)


def test_pairs_stand_on_what_layers_read_and_on_the_edge_that_skips_them() -> None:
    quantized = plan(RESIDUAL)
    assert activations(quantized) == {"x", "r", "s", "f"}
    assert quantized.by_tensor["r"].consumers == ("Conv_d", "Add_a")


def test_the_last_convolution_is_added_before_anything_is_rounded() -> None:
    model = file(Bits())
    assert list(producer(model, "a").input) == ["r_dq", "e"]
    assert producer(model, "e").op_type == "Conv"


def test_what_no_layer_reads_is_float() -> None:
    nodes = [conv("x", "w", "c"), ("Sigmoid", ["c"], ["s"]), ("Mul", ["c", "s"], ["m"]), *head("m")]
    assert activations(plan(nodes)) == {"x", "f"}


def test_a_pair_stands_behind_a_pool() -> None:
    pool: tiny_graph.Node = ("AveragePool", ["r"], ["q"], {"kernel_shape": [2, 2]})
    nodes = [conv("x", "w", "c"), ("Relu", ["c"], ["r"]), pool, conv("q", "v", "d"), *head("d")]
    assert activations(plan(nodes)) == {"x", "q", "f"}


def test_a_constant_that_is_added_stays_float() -> None:
    nodes = [conv("x", "w", "c"), ("Add", ["c", "k"], ["a"]), conv("a", "v", "d"), *head("d")]
    quantized = plan(nodes, k=weights(1, 4, 1, 1))
    assert activations(quantized) == {"x", "a", "f"}
    assert "k" not in quantized.by_tensor


@pytest.mark.parametrize(("bits", "behind", "elsewhere"), [(8, (0, 127), (-128, 127)), (4, (0, 15), (-8, 7))])
def test_codes_behind_a_relu_are_counted_from_0(bits: int, behind: tuple[int, int], elsewhere: tuple[int, int]) -> None:
    quantized = plan(RESIDUAL, Bits(weights=bits, activations=bits, first_last=bits, residual=bits, input=bits))
    ranges = {name: point.code_range for name, point in quantized.by_tensor.items()}
    assert ranges["r"] == ranges["s"] == behind
    assert ranges["x"] == ranges["w"] == ranges["v"] == elsewhere


@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool"])
def test_codes_of_what_is_pooled_behind_a_relu_are_counted_from_0(operator: str) -> None:
    pool: tiny_graph.Node = (operator, ["r"], ["q"], {"kernel_shape": [2, 2]})
    nodes = [conv("x", "w", "c"), ("Relu", ["c"], ["r"]), pool, conv("q", "v", "d"), *head("d")]
    assert plan(nodes).by_tensor["q"].code_range == (0, 15)


def test_a_relu_stands_in_front_of_its_pair_and_clips_below_0() -> None:
    model = file(Bits())
    quantizer = producer(model, "r_q")
    assert quantizer.op_type == "QuantizeLinear"
    relu = producer(model, quantizer.input[0])
    assert relu.op_type == "Relu"
    assert producer(model, relu.input[0]).name == "Conv_c"


def test_fewer_bits_are_a_clip_of_values_in_front_of_the_pair() -> None:
    model = file(FOUR)
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for tensor, (low, high) in {"r": (0, 15), "x": (-8, 7)}.items():
        quantizer = producer(model, f"{tensor}_q")
        clip = producer(model, quantizer.input[0])
        assert (quantizer.op_type, clip.op_type) == ("QuantizeLinear", "Clip")
        scale = stored[f"{tensor}_scale"]
        assert [stored[name] for name in clip.input[1:]] == [low * scale, high * scale]
    assert producer(model, producer(model, producer(model, "r_q").input[0]).input[0]).name == "Conv_c"


def test_no_clip_stands_on_codes() -> None:
    for bits in (Bits(), FOUR):
        model = file(bits)
        readers = {node.op_type for node in model.graph.node for name in node.input if name.endswith("_q")}
        assert readers == {"DequantizeLinear"}


def test_a_relu_that_no_layer_reads_stays_a_node() -> None:
    names = [node.name for node in file(Bits()).graph.node]
    assert "Relu_t" in names
    assert {"Relu_r", "Relu_s"}.isdisjoint(names)


def test_biases_stay_float() -> None:
    assert plan(RESIDUAL).bias_of == {}
    model = file(Bits())
    assert producer(model, producer(model, "r_q").input[0]).op_type == "Relu"
    (layer,) = (node for node in model.graph.node if node.name == "Conv_c")
    (bias,) = (tensor for tensor in model.graph.initializer if tensor.name == layer.input[2])
    assert bias.data_type == onnx.TensorProto.FLOAT


def test_weights_of_four_bits_are_stored_as_int8() -> None:
    model = file(FOUR)
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    assert stored["v_q"].dtype == np.int8
    assert stored["v_q"].min() >= -8 and stored["v_q"].max() <= 7
    assert not [name for name, array in stored.items() if array.dtype == ml_dtypes.int4]


def test_every_zero_point_is_an_int8_of_0() -> None:
    model = file(FOUR)
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    points = [stored[node.input[2]] for node in model.graph.node if node.op_type.endswith("eLinear")]
    assert points and all(point.dtype == np.int8 and not point.any() for point in points)


def test_the_opset_is_one_at_which_runtimes_read_int8_activations() -> None:
    assert [(entry.domain, entry.version) for entry in file(Bits()).opset_import] == [("", 20)]
