"""Nodes that stay float between quantized ones are named, each as ONNX Runtime's optimised graph has it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import pytest

from gdfq_export.lint import check
from gdfq_export.runtimes.onnxruntime import optimized_graph
from gdfq_export.support.finding import Consequence
from gdfq_export.targets import find_target
from tests.qdq.qdq_files import Nodes, conv, file, pair

SUMMED = pair("a", "e_scale", "e_zero")
POOLED: Nodes = [("GlobalAveragePool", ["a_dq"], ["p"])]
AVERAGE = ("AveragePool", ["r_dq"], ["m"], {"kernel_shape": [2, 2]})


def added(one: str, other: str, *, op_type: str = "Add", behind: Nodes = SUMMED) -> dict[str, Nodes]:
    return {"p": [(op_type, [one, other], ["a"]), *behind, *POOLED]}


def island(op_type: str) -> dict[str, Nodes]:
    return {"e": [(op_type, ["r_dq"], ["m"]), *pair("m", "r_scale", "r_zero"), conv("m_dq", "v_dq", "", "e")]}


CASES: dict[str, tuple[Mapping[str, Nodes], str, str, set[str]]] = {
    "Add of a float": (added("e_dq", "r"), "pair missing", "Add_a", {"Add"}),
    "Add of a constant in float": (added("e_dq", "k"), "pair missing", "Add_a", {"Add"}),
    "Add whose sum is not quantized": (
        {"p": [("Add", ["e_dq", "r_dq"], ["a"]), ("GlobalAveragePool", ["a"], ["p"])]},
        "pair missing",
        "Add_a",
        {"Add", "GlobalAveragePool"},
    ),
    "Concat of a float": (
        {
            "p": [
                ("Concat", ["e_dq", "r"], ["a"], {"axis": 1}),
                *SUMMED,
                ("Slice", ["a_dq", "from", "to", "axes"], ["s"]),
                ("GlobalAveragePool", ["s"], ["p"]),
            ]
        },
        "pair missing",
        "Concat_a",
        {"Concat"},
    ),
    "AveragePool without a pair behind it": (
        {"e": [AVERAGE, conv("m", "v_dq", "", "e")]},
        "pair missing",
        "AveragePool_m",
        {"AveragePool", "Conv"},
    ),
    "GlobalAveragePool without a pair behind it": (
        {"p_q": [], "p_dq": [], "f": [("Flatten", ["p"], ["f"])]},
        "pair missing",
        "GlobalAveragePool_p",
        {"GlobalAveragePool"},
    ),
    "MaxPool between two scales": (
        {
            "e": [
                ("MaxPool", ["r_dq"], ["m"], {"kernel_shape": [2, 2]}),
                *pair("m", "p_scale", "p_zero"),
                conv("m_dq", "v_dq", "", "e"),
            ]
        },
        "scale changes",
        "MaxPool_m",
        {"MaxPool"},
    ),
    **{op: (island(op), "no integer kernel", f"{op}_m", {op}) for op in ("Tanh", "Elu", "HardSigmoid")},
    "Sub": (added("e_dq", "r_dq", op_type="Sub"), "no integer kernel", "Sub_a", {"Sub"}),
}
MORE = {
    "k": np.asarray(0.3, np.float32),
    "from": np.array([0]),
    "to": np.array([8]),
    "axes": np.array([1]),
}
FINE = {
    "Add": file(added("e_dq", "r_dq")),
    "Mul": file(added("e_dq", "r_dq", op_type="Mul")),
    "Add and Relu": file(
        {
            "p": [
                ("Add", ["e_dq", "r_dq"], ["t"]),
                ("Relu", ["t"], ["a"]),
                *pair("a", "a_scale", "r_zero"),
                *POOLED,
            ]
        },
        a_scale=np.asarray(0.0203, np.float32),
    ),
    "LeakyRelu": file(island("LeakyRelu")),
    "Sigmoid": file(island("Sigmoid")),
    "Softmax behind the logits": file(
        {"y": [("Gemm", ["f_dq", "g_dq"], ["l"], {"transB": 1}), ("Softmax", ["l"], ["y"])]}
    ),
    "a pair with the Relu's own limits in front of it": file(
        {"r": [*pair("c", "r_scale", "r_zero"), ("Relu", ["c_dq"], ["r"])]}
    ),
}


def found(model: onnx.ModelProto) -> list[tuple[str, str, Consequence]]:
    return [(each.rule, each.node, each.consequence) for each in check(model, find_target("ort-cpu"))]


def executed(model: onnx.ModelProto) -> set[str]:
    return {node.op_type.removeprefix("Fused") for node in optimized_graph(model.SerializeToString()).graph.node}


@pytest.mark.parametrize("name", CASES)
def test_a_float_node_between_quantized_ones_is_named(name: str) -> None:
    changes, rule, node, floats = CASES[name]
    model = file(changes, **MORE)
    assert (rule, node, Consequence.FLOAT) in found(model)
    assert floats <= executed(model)


@pytest.mark.parametrize("name", FINE)
def test_nothing_is_found_where_all_runs_on_integers(name: str) -> None:
    assert found(FINE[name]) == []
    left = executed(FINE[name]) - {"Flatten", "QuantizeLinear", "Transpose", "QGemm", "Softmax", "DequantizeLinear"}
    assert all(op_type.startswith(("QLinear", "Nhwc")) for op_type in left)


def test_a_relu_behind_codes_that_are_moved_is_not_behind_the_layer() -> None:
    quantize, dequantize = pair("a", "e_scale", "e_zero")
    moved = ("Transpose", ["a_q"], ["m_q"], {"perm": [0, 1, 3, 2]})
    read = (dequantize[0], ["m_q", *dequantize[1][1:]], ["m_dq"], {})
    rest = [("Relu", ["m_dq"], ["t"]), *pair("t", "r_scale", "r_zero"), ("GlobalAveragePool", ["t_dq"], ["p"])]
    assert found(file({"p": [("Add", ["e_dq", "r_dq"], ["a"]), quantize, moved, read, *rest]})) == []


def test_a_pair_that_tears_a_layer_and_its_relu_apart_is_slower() -> None:
    model = file({"r": [*pair("c", "e_scale", "e_zero"), ("Relu", ["c_dq"], ["r"])]})
    assert found(model) == [("pair before an activation", "Relu_r", Consequence.SLOWER)]
    assert "DequantizeLinear" in executed(model) and "DequantizeLinear" not in executed(file())
