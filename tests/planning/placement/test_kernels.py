"""Which node runs as which kernel."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from gdfq_export.planning.placement.float_reasons import TAIL
from gdfq_export.planning.plan import QuantPlan, Role
from gdfq_export.targets import Kernel
from tests import tiny_graph
from tests.planning.placement.planned import Nodes, conv, head, planned, weights


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


def test_the_mean_of_powers_stays_float() -> None:
    nodes = [conv("x", "w", "c"), ("Pow", ["c", "e"], ["r"]), *head("r")]
    plan = planned(nodes, output="y", w=weights(4, 4, 3, 3), g=weights(5, 4), e=np.array(3, np.float32))
    assert plan.by_node["GlobalAveragePool_p"].kernel is None and "r" not in roles(plan)
    assert plan.by_node["GlobalAveragePool_p"].reason.startswith("it averages powers")


def test_logits_that_a_gemm_writes_stay_float() -> None:
    nodes = [conv("x", "w", "c"), *head("c"), ("Softmax", ["y"], ["s"])]
    arrays = {"w": weights(4, 4, 3, 3), "g": weights(5, 4)}
    assert "y" not in planned(nodes[:-1], output="y", **arrays).by_tensor
    plan = planned(nodes, output="s", logits="y", **arrays)
    assert "y" not in plan.by_tensor and "s" not in plan.by_tensor
    assert plan.by_node["Softmax_s"].reason == TAIL


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


SCALES = np.array([1, 1, 2, 2], np.float32)
IMAGE_AXES = np.array([2, 3])


@pytest.mark.parametrize(
    ("operator", "inputs", "attributes", "integer_form"),
    [
        ("Resize", ["", "scales"], {"mode": "nearest"}, False),
        ("DepthToSpace", [], {"blocksize": 2}, False),
        ("SpaceToDepth", [], {"blocksize": 2}, True),
        ("Tile", ["repeats"], {}, False),
        ("Expand", ["sizes"], {}, False),
        ("Gather", ["indices"], {"axis": 1}, False),
        ("ReduceMax", ["axes"], {}, False),
        ("ReduceMin", ["axes"], {}, False),
        ("Pad", ["pads"], {"mode": "reflect"}, True),
        ("Pad", ["pads"], {"mode": "edge"}, True),
    ],
)
def test_what_moves_or_compares_codes_has_the_scale_of_what_it_reads(
    operator: str, inputs: list[str], attributes: dict[str, Any], integer_form: bool
) -> None:
    constants = {
        "scales": SCALES,
        "repeats": np.array([1, 1, 2, 2]),
        "sizes": np.array([1, 4, 6, 6]),
        "indices": np.array([3, 2, 1, 0]),
        "axes": IMAGE_AXES,
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
    }
    nodes = [conv("x", "w", "c"), (operator, ["c", *inputs], ["m"], attributes), *head("m")]
    channels = {"DepthToSpace": 1, "SpaceToDepth": 16}.get(operator, 4)
    plan = planned(nodes, output="y", w=weights(4, 4, 3, 3), g=weights(5, channels), **constants)
    node = plan.by_node[f"{operator}_m"]
    assert (node.kernel, node.integer_form) == (Kernel.MOVE, integer_form)
    assert plan.by_tensor["m"].group == "c"


def test_openvino_has_blocks_moved_as_codes() -> None:
    nodes = [conv("x", "w", "c"), ("DepthToSpace", ["c"], ["m"], {"blocksize": 2}), *head("m")]
    plan = planned(nodes, output="y", target="openvino", w=weights(4, 4, 3, 3), g=weights(5, 1))
    node = plan.by_node["DepthToSpace_m"]
    assert (node.kernel, node.integer_form) == (Kernel.MOVE, True)


def test_an_output_that_nothing_reads_is_no_point() -> None:
    nodes: Nodes = [
        conv("x", "w", "c"),
        ("Split", ["c"], ["unread", "s"], {"axis": 1, "num_outputs": 2}),
        *head("s"),
    ]
    plan = planned(nodes, output="y", w=weights(4, 4, 3, 3), g=weights(5, 2))
    assert "s" in plan.by_tensor and "unread" not in plan.by_tensor


@pytest.mark.parametrize(("target", "kernel"), [("ort-cpu", Kernel.MATMUL), ("openvino", None)])
def test_a_product_of_two_activations_is_one_of_codes_where_the_runtime_has_it(
    target: str, kernel: Kernel | None
) -> None:
    nodes: Nodes = [
        conv("x", "w", "c"),
        ("Transpose", ["c"], ["t"], {"perm": [0, 1, 3, 2]}),
        ("MatMul", ["c", "t"], ["m"]),
        ("Softmax", ["m"], ["s"], {"axis": -1}),
        ("MatMul", ["s", "c"], ["n"]),
        *head("n"),
    ]
    plan = planned(nodes, output="y", target=target, w=weights(4, 4, 3, 3), g=weights(5, 4))
    assert plan.by_node["MatMul_m"].kernel is plan.by_node["MatMul_n"].kernel is kernel
    assert plan.by_node["Softmax_s"].kernel is (None if kernel is None else Kernel.SOFTMAX)


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (("Resize", ["c", "", "scales"], ["n"], {"mode": "linear"}), "Resize computes numbers between those it reads"),
        (("AveragePool", ["c"], ["n"], {"kernel_shape": [2, 2], "dilations": [2, 2]}), "AveragePool has dilations"),
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
    plan = planned(nodes, output="y", w=weights(4, 4, 3, 3), h=weights(144, 5), scales=SCALES)
    assert plan.by_node[f"{node[0]}_n"].kernel is None
    assert plan.by_node[f"{node[0]}_n"].reason == reason
    assert plan.by_node["Flatten_y"].reason == "its input is float"


def test_a_float_node_between_kernels_is_an_island_with_quantized_shores() -> None:
    nodes = [conv("x", "w", "c"), ("Exp", ["c"], ["e"]), *head("e")]
    plan = planned(nodes, output="y", w=weights(4, 4, 3, 3), g=weights(5, 4))
    assert plan.by_node["Exp_e"].kernel is None
    assert {"c", "e"} <= set(plan.by_tensor)
