"""Functions that a runtime computes inside the layer in front stay in float, and the layer writes no codes."""

from __future__ import annotations

import pytest

from tests import tiny_graph
from tests.planning.placement.planned import Nodes, conv, head, planned, weights

SWISH: Nodes = [("Sigmoid", ["c"], ["s"]), ("Mul", ["c", "s"], ["r"])]
HARD_SWISH: Nodes = [("HardSigmoid", ["c"], ["s"], {"alpha": 1 / 6, "beta": 0.5}), ("Mul", ["s", "c"], ["r"])]
LEAKY: Nodes = [("LeakyRelu", ["c"], ["r"], {"alpha": 0.1})]


def quantized_tensors(activation: Nodes, target: str, source: str = "c") -> set[str]:
    nodes = [conv("x", "w", source), *activation, conv("r", "v", "d"), *head("d")]
    arrays = {"w": weights(4, 4, 3, 3), "v": weights(4, 4, 3, 3), "g": weights(5, 4)}
    return set(planned(nodes, output="y", target=target, **arrays).by_tensor)


@pytest.mark.parametrize("activation", [SWISH, HARD_SWISH, LEAKY], ids=["swish", "hard swish", "leaky relu"])
def test_openvino_computes_it_inside_the_layer(activation: Nodes) -> None:
    found = quantized_tensors(activation, "openvino")
    assert "r" in found
    assert not {"c", "s"} & found


@pytest.mark.parametrize("activation", [SWISH, HARD_SWISH, LEAKY], ids=["swish", "hard swish", "leaky relu"])
def test_onnx_runtime_computes_it_in_integers(activation: Nodes) -> None:
    assert {"c", "r"} <= quantized_tensors(activation, "ort-cpu")


def squeezed(gate: tiny_graph.Node, target: str) -> set[str]:
    squeeze: list[tiny_graph.Node] = [
        ("Relu", ["c"], ["e"]),
        ("GlobalAveragePool", ["e"], ["m"]),
        ("Conv", ["m", "u"], ["g1"], {"kernel_shape": [1, 1]}),
        gate,
        ("Mul", ["e", "s"], ["r"]),
    ]
    nodes = [conv("x", "w", "c"), *squeeze, conv("r", "v", "d"), *head("d")]
    arrays = {"w": weights(4, 4, 3, 3), "u": weights(4, 4, 1, 1), "v": weights(4, 4, 3, 3), "g": weights(5, 4)}
    return set(planned(nodes, output="y", target=target, **arrays).by_tensor)


SIGMOID: tiny_graph.Node = ("Sigmoid", ["g1"], ["s"])
HARD: tiny_graph.Node = ("HardSigmoid", ["g1"], ["s"], {"alpha": 1 / 6, "beta": 0.5})
OTHER: tiny_graph.Node = ("HardSigmoid", ["g1"], ["s"], {"alpha": 0.2, "beta": 0.5})


@pytest.mark.parametrize("gate", [SIGMOID, HARD], ids=["sigmoid", "hard sigmoid"])
def test_so_is_the_gate_of_another_tensor(gate: tiny_graph.Node) -> None:
    everywhere, openvino = (squeezed(gate, target) for target in ("ort-cpu", "openvino"))
    assert everywhere - openvino == {"g1"}
    assert {"e", "s", "r"} <= openvino


def test_a_hard_sigmoid_of_other_numbers_stays_integer() -> None:
    assert {"e", "g1", "s", "r"} <= squeezed(OTHER, "openvino")


def test_a_layer_that_others_read_too_writes_codes() -> None:
    nodes = [conv("x", "w", "c"), *SWISH, ("Add", ["r", "c"], ["a"]), conv("a", "v", "d"), *head("d")]
    arrays = {"w": weights(4, 4, 3, 3), "v": weights(4, 4, 3, 3), "g": weights(5, 4)}
    assert "c" in planned(nodes, output="y", target="openvino", **arrays).by_tensor
