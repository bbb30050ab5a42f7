"""Which tensors carry Q/DQ, and which share a scale."""

from __future__ import annotations

import math

import pytest

from gdfq_export.planning.plan import Role
from tests.planning.placement.planned import Nodes, conv, head, planned, weights


def test_numbers_are_those_of_the_target() -> None:
    nodes = [conv("x", "w", "c", "b"), *head("c")]
    plan = planned(nodes, output="y", w=weights(4, 4, 3, 3), b=weights(4), g=weights(5, 4))
    for point in plan.points:
        constant = point.role in (Role.WEIGHT, Role.BIAS)
        assert (point.signed, point.symmetric) == (constant, constant)
    assert plan.by_tensor["x"].code_range == (0, 255)
    assert plan.by_tensor["w"].code_range == (-127, 127)
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


def test_logits_of_a_kernel_that_only_writes_codes_are_quantized() -> None:
    nodes = [conv("x", "w", "c"), ("GlobalAveragePool", ["c"], ["p"]), ("Flatten", ["p"], ["y"])]
    assert planned(nodes, output="y", w=weights(4, 4, 3, 3)).by_tensor["y"].group == "p"


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


def test_a_constant_operand_is_quantized_by_itself() -> None:
    nodes = [conv("x", "w", "c"), ("Mul", ["c", "k"], ["m"]), *head("m")]
    plan = planned(nodes, output="y", w=weights(4, 4, 3, 3), k=weights(1, 4, 1, 1), g=weights(5, 4))
    assert plan.by_tensor["k"].role is Role.CONSTANT
    assert plan.by_tensor["k"].group == "k"


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


@pytest.mark.parametrize(("behind", "bound"), [("Sigmoid", 8.0), ("Tanh", math.inf)])
@pytest.mark.parametrize("moved", [True, False])
def test_what_only_sigmoids_read_is_bounded_where_they_saturate(behind: str, bound: float, moved: bool) -> None:
    nodes: Nodes = [conv("x", "w", "c"), ("DepthToSpace", ["c"], ["d"], {"blocksize": 2})][: 1 + moved]
    nodes = [*nodes, (behind, ["d" if moved else "c"], ["s"]), *head("s")]
    point = planned(nodes, output="y", w=weights(4, 4, 3, 3), g=weights(5, 1 if moved else 4)).by_tensor["c"]
    assert (point.low, point.high) == (-bound, bound)


def test_what_is_gated_by_its_own_sigmoid_is_not_bounded() -> None:
    nodes: Nodes = [conv("x", "w", "c"), ("Sigmoid", ["c"], ["s"]), ("Mul", ["c", "s"], ["y"])]
    assert planned(nodes, output="y", w=weights(4, 4, 3, 3)).by_tensor["c"].high == math.inf
