"""Where Q/DQ go on graphs small enough to say it by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gdfq_export.errors import InputError
from gdfq_export.placement import build_plan
from gdfq_export.plan import QuantPlan, Role
from gdfq_export.recipe import Bits, LayerBits
from gdfq_export.targets import Kernel, find_target
from tests import tiny_graph

RANDOM = np.random.default_rng(0)
Nodes = list[tiny_graph.Node]


def weights(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def planned(
    nodes: Nodes, *, output: str, logits: str | None = None, bits: Bits | None = None, **arrays: np.ndarray
) -> QuantPlan:
    """The plan of a graph x [batch, 4, 6, 6] -> output."""
    graph = tiny_graph.graph(nodes=nodes, inputs={"x": ("batch", 4, 6, 6)}, outputs=[output], initializers=arrays)
    target = find_target("ort-cpu")
    return build_plan(graph, target, bits or Bits(), logits=logits or output, input_range=(-1.0, 3.0))


def conv(source: str, weight: str, output: str, *bias: str) -> tiny_graph.Node:
    return ("Conv", [source, weight, *bias], [output], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]})


def head(source: str, weight: str = "g") -> Nodes:
    """Pooling, Flatten and a Gemm that writes the logits `y`."""
    return [
        ("GlobalAveragePool", [source], ["p"]),
        ("Flatten", ["p"], ["f"]),
        ("Gemm", ["f", weight], ["y"], {"transB": 1}),
    ]


def kernels(plan: QuantPlan) -> dict[str, Kernel | None]:
    return {node.node: node.kernel for node in plan.nodes}


def roles(plan: QuantPlan) -> dict[str, Role]:
    return {point.tensor: point.role for point in plan.points}


def test_a_plain_classifier() -> None:
    nodes = [conv("x", "w", "c", "b"), ("Relu", ["c"], ["r"]), *head("r")]
    plan = planned(nodes, output="y", w=weights(4, 4, 3, 3), b=weights(4), g=weights(5, 4))
    assert kernels(plan) == {
        "Conv_c": Kernel.CONV,
        "Relu_r": None,
        "GlobalAveragePool_p": Kernel.GLOBAL_AVERAGE_POOL,
        "Flatten_f": Kernel.MOVE,
        "Gemm_y": Kernel.GEMM,
    }
    assert roles(plan) == {
        "x": Role.INPUT,
        "w": Role.WEIGHT,
        "b": Role.BIAS,
        "r": Role.ACTIVATION,
        "p": Role.ACTIVATION,
        "f": Role.ACTIVATION,
        "g": Role.WEIGHT,
    }
    assert plan.by_tensor["r"].consumers == ("GlobalAveragePool_p",)
    assert plan.bias_of["Conv_c"].tensor == "b"
    assert plan.target == "ort-cpu"


def test_numbers_are_those_of_the_target() -> None:
    nodes = [conv("x", "w", "c", "b"), *head("c")]
    plan = planned(nodes, output="y", w=weights(4, 4, 3, 3), b=weights(4), g=weights(5, 4))
    for point in plan.points:
        constant = point.role in (Role.WEIGHT, Role.BIAS)
        assert (point.signed, point.symmetric) == (constant, constant)
    assert plan.by_tensor["x"].code_range == (0, 255)
    assert plan.by_tensor["w"].code_range == (-128, 127)
    assert (plan.by_tensor["x"].low, plan.by_tensor["x"].high) == (-1.0, 3.0)
    assert plan.bias_of["Conv_c"].bits == 32


@pytest.mark.parametrize(("transposed", "axis"), [(1, 0), (0, 1)])
def test_weights_have_one_scale_for_each_output_channel(transposed: int, axis: int) -> None:
    matrix = weights(5, 4) if transposed else weights(4, 5)
    nodes: Nodes = [
        ("GlobalAveragePool", ["x"], ["p"]),
        ("Flatten", ["p"], ["f"]),
        ("Gemm", ["f", "g"], ["y"], {"transB": transposed} if transposed else {}),
    ]
    assert planned(nodes, output="y", g=matrix).by_tensor["g"].axis == axis


def test_logits_that_a_gemm_writes_stay_float() -> None:
    nodes = [conv("x", "w", "c"), *head("c"), ("Softmax", ["y"], ["s"])]
    arrays = {"w": weights(4, 4, 3, 3), "g": weights(5, 4)}
    assert "y" not in planned(nodes[:-1], output="y", **arrays).by_tensor
    plan = planned(nodes, output="s", logits="y", **arrays)
    assert "y" not in plan.by_tensor and "s" not in plan.by_tensor
    assert plan.by_node["Softmax_s"].reason == "Softmax has no integer kernel on ort-cpu"


def test_logits_of_a_kernel_that_only_writes_codes_are_quantized() -> None:
    nodes = [conv("x", "w", "c"), ("GlobalAveragePool", ["c"], ["p"]), ("Flatten", ["p"], ["y"])]
    assert planned(nodes, output="y", w=weights(4, 4, 3, 3)).by_tensor["y"].group == "p"


def test_a_gemm_that_another_layer_reads_writes_codes() -> None:
    nodes: Nodes = [
        ("GlobalAveragePool", ["x"], ["p"]),
        ("Flatten", ["p"], ["f"]),
        ("Gemm", ["f", "h"], ["m"], {"transB": 1}),
        ("Relu", ["m"], ["r"]),
        ("Gemm", ["r", "g"], ["y"], {"transB": 1}),
    ]
    plan = planned(nodes, output="y", h=weights(3, 4), g=weights(5, 3))
    assert "r" in plan.by_tensor and "m" not in plan.by_tensor
    assert plan.by_node["Gemm_m"].absorbed == "Relu_r"


def test_a_gemm_that_only_float_nodes_read_writes_floats_and_absorbs_nothing() -> None:
    nodes = [*head("x")[:-1], ("Gemm", ["f", "g"], ["m"], {"transB": 1}), ("Relu", ["m"], ["r"]), ("Exp", ["r"], ["y"])]
    plan = planned(nodes, output="y", g=weights(5, 4))
    assert plan.by_node["Gemm_m"].kernel is Kernel.GEMM
    assert plan.absorbed == frozenset()
    assert {"m", "r", "y"}.isdisjoint(plan.by_tensor)


@pytest.mark.parametrize(
    ("limits", "bounds"),
    [
        (None, (0.0, math.inf)),
        ((0.0, 6.0), (0.0, 6.0)),
        ((-1.0, 1.0), (-1.0, 1.0)),
        ((1.0, 2.0), None),
        ((-2.0, 0.0), None),
    ],
)
def test_relu_and_clip_around_zero_are_absorbed(
    limits: tuple[float, float] | None, bounds: tuple[float, float] | None
) -> None:
    activation: tiny_graph.Node = ("Relu", ["c"], ["r"]) if limits is None else ("Clip", ["c", "low", "high"], ["r"])
    low, high = limits or (0.0, 0.0)
    constants = {} if limits is None else {"low": np.float32(low), "high": np.float32(high)}
    arrays = {"w": weights(4, 4, 3, 3), "g": weights(5, 4), **constants}
    plan = planned([conv("x", "w", "c"), activation, *head("r")], output="y", **arrays)
    name = f"{activation[0]}_r"
    if bounds is None:
        assert plan.by_node["Conv_c"].absorbed is None
        assert plan.by_tensor["c"].low == -math.inf
        assert "r" in plan.by_tensor
        return
    assert plan.by_node["Conv_c"].absorbed == name
    assert plan.by_node[name].reason == "absorbed by Conv_c"
    assert plan.absorbed == {name}
    assert "c" not in plan.by_tensor
    assert (plan.by_tensor["r"].low, plan.by_tensor["r"].high) == bounds


def test_an_activation_is_not_absorbed_where_its_input_is_read_elsewhere() -> None:
    nodes = [conv("x", "w", "c"), ("Relu", ["c"], ["r"]), ("Add", ["c", "r"], ["a"]), *head("a")]
    plan = planned(nodes, output="y", w=weights(4, 4, 3, 3), g=weights(5, 4))
    assert plan.absorbed == frozenset()
    assert {"c", "r", "a"} <= set(plan.by_tensor)


def test_a_node_that_moves_codes_shares_its_inputs_scale() -> None:
    nodes: Nodes = [
        conv("x", "w", "c"),
        ("MaxPool", ["c"], ["m"], {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("Transpose", ["m"], ["t"], {"perm": [0, 1, 3, 2]}),
        *head("t"),
    ]
    plan = planned(nodes, output="y", w=weights(4, 4, 3, 3), g=weights(5, 4))
    assert [plan.by_tensor[name].group for name in ("c", "m", "t")] == ["c", "c", "c"]
    assert plan.by_tensor["f"].group == plan.by_tensor["p"].group == "p"


def test_pad_runs_on_codes_only_with_zeros() -> None:
    def pad(value: float) -> QuantPlan:
        nodes = [conv("x", "w", "c"), ("Pad", ["c", "pads", "value"], ["d"]), *head("d", "g")]
        constants = {"pads": np.array([0, 1, 0, 0, 0, 1, 0, 0]), "value": np.float32(value)}
        return planned(nodes, output="y", w=weights(4, 4, 3, 3), g=weights(5, 6), **constants)

    zeros, ones = pad(0.0), pad(1.0)
    assert zeros.by_node["Pad_d"].kernel is Kernel.MOVE
    assert zeros.by_node["Pad_d"].integer_form
    assert zeros.by_tensor["d"].group == "c"
    assert not zeros.by_node["Conv_c"].integer_form
    assert ones.by_node["Pad_d"].kernel is None
    assert ones.by_node["Pad_d"].reason == "Pad does not pad with zeros"
    assert ones.by_tensor["d"].group == "d"


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (("Exp", ["c"], ["n"]), "Exp has no integer kernel on ort-cpu"),
        (("Gemm", ["f0", "h"], ["n"], {"alpha": 0.5}), "Gemm scales or transposes its inputs"),
        (("Conv", ["c", "computed"], ["n"], {"kernel_shape": [3, 3]}), "input 1 is computed in the graph"),
    ],
)  # fmt: skip
def test_a_node_in_float_says_why(node: tiny_graph.Node, reason: str) -> None:
    nodes: Nodes = [
        conv("x", "w", "c"),
        ("Flatten", ["c"], ["f0"]),
        ("Identity", ["w"], ["computed"]),
        node,
        ("Flatten", ["n"], ["y"]),
    ]
    plan = planned(nodes, output="y", w=weights(4, 4, 3, 3), h=weights(144, 5))
    assert plan.by_node[f"{node[0]}_n"].kernel is None
    assert plan.by_node[f"{node[0]}_n"].reason == reason
    assert plan.by_node["Flatten_y"].reason == "its input is float"


def test_a_float_node_between_kernels_is_an_island_with_quantized_shores() -> None:
    nodes = [conv("x", "w", "c"), ("Exp", ["c"], ["e"]), *head("e")]
    plan = planned(nodes, output="y", w=weights(4, 4, 3, 3), g=weights(5, 4))
    assert plan.by_node["Exp_e"].kernel is None
    assert {"c", "e"} <= set(plan.by_tensor)


def test_a_constant_operand_is_quantized_by_itself() -> None:
    nodes = [conv("x", "w", "c"), ("Mul", ["c", "k"], ["m"]), *head("m")]
    plan = planned(nodes, output="y", w=weights(4, 4, 3, 3), k=weights(1, 4, 1, 1), g=weights(5, 4))
    assert plan.by_tensor["k"].role is Role.CONSTANT
    assert plan.by_tensor["k"].group == "k"


LOW = Bits(weights=4, activations=3, first_last=7, residual=5, input=6)


def deep() -> QuantPlan:
    """Input, first layer, middle layer, residual Add, last layer."""
    nodes = [
        conv("x", "w", "c"),
        ("Relu", ["c"], ["r"]),
        conv("r", "v", "d"),
        conv("d", "u", "e"),
        ("Add", ["r", "e"], ["a"]),
        *head("a"),
    ]
    kernels_ = {name: weights(4, 4, 3, 3) for name in "wvu"}
    return planned(nodes, output="y", bits=LOW, g=weights(5, 4), **kernels_)


def bits_of(tensor: str) -> int:
    return deep().by_tensor[tensor].bits


def test_first_and_last_layer_have_their_own_bits() -> None:
    assert (bits_of("w"), bits_of("v"), bits_of("u"), bits_of("g")) == (7, 4, 4, 7)
    assert bits_of("x") == 7  # read by the first layer, and more than the input asks for
    assert bits_of("f") == bits_of("p") == 7  # read by the last layer; the pooling's output has the same codes


def test_residual_edges_have_their_own_bits() -> None:
    assert bits_of("e") == 5
    assert bits_of("r") == 5  # a layer's output, with its Relu, that the Add reads as well
    assert bits_of("d") == 3
    assert bits_of("a") == 3


def test_what_an_activation_functions_table_reads_has_the_bits_of_a_residual_edge() -> None:
    silu: Nodes = [("Sigmoid", ["d"], ["s"]), ("Mul", ["d", "s"], ["m"])]
    nodes = [conv("x", "w", "c"), ("LeakyRelu", ["c"], ["l"]), conv("l", "v", "d"), *silu, conv("m", "u", "e")]
    kernels_ = {name: weights(4, 4, 3, 3) for name in "wvu"}
    plan = planned([*nodes, *head("e")], output="y", bits=LOW, g=weights(5, 4), **kernels_)
    bits = {name: plan.by_tensor[name].bits for name in "cldsm"}
    assert bits == {"c": 5, "l": 3, "d": 5, "s": 3, "m": 3}


def test_the_input_has_at_least_the_inputs_bits() -> None:
    nodes: Nodes = [("Sigmoid", ["x"], ["s"]), conv("s", "w", "c"), *head("c")]
    plan = planned(nodes, output="y", bits=LOW, w=weights(4, 4, 3, 3), g=weights(5, 4))
    assert plan.by_tensor["x"].bits == 6


def test_a_bias_that_two_layers_share_is_a_point_of_each() -> None:
    nodes = [conv("x", "w", "c", "b"), conv("c", "v", "d", "b"), *head("d")]
    arrays = {"w": weights(4, 4, 3, 3), "v": weights(4, 4, 3, 3), "b": weights(4), "g": weights(5, 4)}
    plan = planned(nodes, output="y", **arrays)
    assert plan.bias_of["Conv_c"].key == "b@Conv_c"
    assert plan.bias_of["Conv_d"].key == "b@Conv_d"


def test_keys_drop_the_exporters_suffix_where_they_stay_unique() -> None:
    nodes = [
        conv("x", "w", "c_output_0"),
        conv("c_output_0", "v", "d"),
        conv("d", "u", "d_output_0"),
        *head("d_output_0"),
    ]
    arrays = {name: weights(4, 4, 3, 3) for name in "wvu"}
    plan = planned(nodes, output="y", g=weights(5, 4), **arrays)
    assert plan.by_tensor["c_output_0"].key == "c"
    assert plan.by_tensor["d_output_0"].key == "d_output_0"
    assert plan.by_tensor["d"].key == "d"


def test_the_ends_and_residual_edges_are_never_narrower_than_the_rest() -> None:
    nodes = [conv("x", "w", "c"), conv("c", "v", "d"), ("Add", ["c", "d"], ["a"]), *head("a")]
    arrays = {"w": weights(4, 4, 3, 3), "v": weights(4, 4, 3, 3), "g": weights(5, 4)}
    plan = planned(nodes, output="y", bits=Bits(first_last=2, residual=3), **arrays)
    assert {point.bits for point in plan.points if point.role is not Role.BIAS} == {8}


def test_what_lies_behind_the_last_layer_keeps_its_bits() -> None:
    nodes: Nodes = [
        conv("x", "w", "c"),
        ("Relu", ["c"], ["r"]),
        conv("r", "v", "d"),
        ("LeakyRelu", ["d"], ["e"]),
        conv("e", "u", "h"),
        ("LeakyRelu", ["h"], ["l"]),
        ("GlobalAveragePool", ["l"], ["p"]),
        ("Flatten", ["p"], ["y"]),
    ]
    arrays = {name: weights(4, 4, 3, 3) for name in "wvu"}
    plan = planned(nodes, output="y", bits=Bits(weights=4, activations=4), **arrays)
    found = {name: plan.by_tensor[name].bits for name in ("r", "d", "e", "h", "l", "p")}
    assert found == {"r": 4, "d": 8, "e": 8, "h": 8, "l": 8, "p": 8}, "d is read by a table, e by the last layer"


def test_layers_that_the_recipe_names_have_bits_of_their_own() -> None:
    nodes: Nodes = [
        conv("x", "w", "c"),
        ("Relu", ["c"], ["r"]),
        conv("r", "v", "d"),
        ("Relu", ["d"], ["e"]),
        conv("e", "u", "h"),
        ("Relu", ["h"], ["l"]),
        *head("l"),
    ]
    arrays = {**{name: weights(4, 4, 3, 3) for name in "wvu"}, "g": weights(5, 4)}
    layers = {"Conv_?": LayerBits(weights=6), "Conv_h": LayerBits(weights=3, activations=5)}
    plan = planned(nodes, output="y", bits=Bits(weights=4, activations=4, layers=layers), **arrays)
    assert {name: plan.by_tensor[name].bits for name in "wvug"} == {"w": 6, "v": 6, "u": 3, "g": 8}
    assert {name: plan.by_tensor[name].bits for name in "rel"} == {"r": 4, "e": 5, "l": 4}


def test_a_name_that_is_no_layers_is_refused_with_those_there_are() -> None:
    nodes = [conv("x", "w", "c"), ("Relu", ["c"], ["r"]), *head("r")]
    bits = Bits(layers={"conv*": LayerBits(weights=4)})
    with pytest.raises(InputError, match=r"bits.layers names 'conv\*', .* they are Conv_c, Gemm_y"):
        planned(nodes, output="y", bits=bits, w=weights(4, 4, 3, 3), g=weights(5, 4))
