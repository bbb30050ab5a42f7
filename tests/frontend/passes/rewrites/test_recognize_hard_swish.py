"""Every spelling of the hard activations becomes HardSigmoid; what only looks like one stays."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from gdfq_export.frontend.passes.canonical import canonicalize
from gdfq_export.frontend.passes.rewrites.recognize_hard_swish import HardSigmoidPass
from tests import tiny_graph
from tests.frontend.passes.equivalence import assert_same_outputs, operators

Nodes = list[tiny_graph.Node]
ADD: tiny_graph.Node = ("Add", ["x", "shift"], ["a"])
CLIP: tiny_graph.Node = ("Clip", ["a", "low", "high"], ["c"])
DIVIDE: tiny_graph.Node = ("Div", ["c", "high"], ["y"])
GATE = ["HardSigmoid"]
PRODUCT = ["HardSigmoid", "Mul"]


def model(nodes: Nodes, **arrays: np.ndarray | float) -> onnx.ModelProto:
    """A graph x -> y in the usual numbers, 3 and 6, where `arrays` gives no others."""
    numbers = {"shift": 3.0, "low": 0.0, "high": 6.0} | arrays
    numbers.setdefault("inverse", 1 / np.max(numbers["high"]))
    read = {name for node in nodes for name in node[1]}
    return tiny_graph.model(
        nodes=nodes,
        inputs={"x": ("batch", 4, 6, 6)},
        outputs=["y"],
        initializers={name: np.asarray(array, np.float32) for name, array in numbers.items() if name in read},
    )


def rewritten(proto: onnx.ModelProto) -> ir.Model:
    """Run the pass by itself, then as one of all; both keep what is computed."""
    alone = ir.from_proto(proto)
    before = operators(alone)
    modified = HardSigmoidPass()(alone).modified
    assert modified == (operators(alone) != before)
    for result in (alone, canonicalize(proto, "test")):
        for reach in (1, 2):
            assert_same_outputs(proto, result, seed=reach)
    return alone


def slope_and_offset(graph: ir.Model) -> tuple[float, float]:
    (node,) = (node for node in graph.graph if node.op_type == "HardSigmoid")
    return node.attributes.get_float("alpha", 0.0), node.attributes.get_float("beta", 0.0)


SPELLINGS: dict[str, tuple[Nodes, list[str]]] = {
    "HardSwish": ([("HardSwish", ["x"], ["y"])], PRODUCT),
    "divided": ([ADD, CLIP, DIVIDE], GATE),
    "times the inverse": ([ADD, CLIP, ("Mul", ["c", "inverse"], ["y"])], GATE),
    "the inverse first": ([ADD, CLIP, ("Mul", ["inverse", "c"], ["y"])], GATE),
    "the shift first": ([("Add", ["shift", "x"], ["a"]), CLIP, DIVIDE], GATE),
    "x times Clip, divided": ([ADD, CLIP, ("Mul", ["x", "c"], ["m"]), ("Div", ["m", "high"], ["y"])], PRODUCT),
    "Clip times x, divided": ([ADD, CLIP, ("Mul", ["c", "x"], ["m"]), ("Div", ["m", "high"], ["y"])], PRODUCT),
    "x times Clip, times the inverse": (
        [ADD, CLIP, ("Mul", ["x", "c"], ["m"]), ("Mul", ["m", "inverse"], ["y"])],
        PRODUCT,
    ),
    "divided, times x": ([ADD, CLIP, ("Div", ["c", "high"], ["d"]), ("Mul", ["x", "d"], ["y"])], PRODUCT),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_spelling_becomes_hard_sigmoid(name: str) -> None:
    nodes, expected = SPELLINGS[name]
    result = rewritten(model(nodes))
    assert operators(result) == expected
    assert slope_and_offset(result) == pytest.approx((1 / 6, 0.5))


@pytest.mark.parametrize("name", [name for name in SPELLINGS if name != "HardSwish"])
def test_other_limits_are_another_slope_and_offset(name: str) -> None:
    nodes, expected = SPELLINGS[name]
    result = rewritten(model(nodes, shift=2.0, high=4.0))
    assert operators(result) == expected
    assert slope_and_offset(result) == pytest.approx((1 / 4, 1 / 2))


def test_the_whole_of_canonicalization_finds_it_too() -> None:
    graph = canonicalize(model([ADD, CLIP, ("Mul", ["x", "c"], ["m"]), ("Div", ["m", "high"], ["y"])]), "test")
    assert operators(graph) == PRODUCT


def test_another_factor_than_the_gated_value_is_kept() -> None:
    nodes: Nodes = [("Tanh", ["x"], ["t"]), ADD, CLIP, ("Mul", ["c", "t"], ["m"]), ("Div", ["m", "high"], ["y"])]
    assert operators(rewritten(model(nodes))) == ["Tanh", *PRODUCT]


def test_a_shifted_value_that_something_else_reads_stays() -> None:
    nodes: Nodes = [ADD, CLIP, ("Div", ["c", "high"], ["d"]), ("Mul", ["a", "d"], ["y"])]
    assert operators(rewritten(model(nodes))) == ["Add", *PRODUCT]


def test_one_behind_the_other_are_both_rewritten() -> None:
    again: Nodes = [
        ("Add", ["z", "shift"], ["b"]),
        ("Clip", ["b", "low", "high"], ["e"]),
        ("Div", ["e", "high"], ["y"]),
    ]
    nodes: Nodes = [ADD, CLIP, ("Mul", ["x", "c"], ["m"]), ("Div", ["m", "high"], ["z"]), *again]
    assert operators(rewritten(model(nodes))) == [*PRODUCT, *GATE]


def test_names_are_those_of_the_nodes_that_go() -> None:
    result = rewritten(model([ADD, CLIP, ("Mul", ["x", "c"], ["m"]), ("Div", ["m", "high"], ["y"])]))
    assert [node.name for node in result.graph] == ["Clip_c", "Mul_m"]
    assert [value.name for value in result.graph.outputs] == ["y"]


@pytest.mark.parametrize(
    ("nodes", "arrays"),
    [
        ([ADD, CLIP, DIVIDE], {"low": 0.5}),
        ([ADD, CLIP, DIVIDE], {"low": -1.0}),
        ([ADD, CLIP, DIVIDE], {"shift": np.arange(4.0).reshape(4, 1, 1)}),
        ([ADD, CLIP, ("Div", ["c", "divisor"], ["y"])], {"divisor": 5.0}),
        ([ADD, CLIP, ("Div", ["c", "divisor"], ["y"])], {"divisor": np.full((4, 1, 1), 6.0)}),
        ([ADD, CLIP, ("Mul", ["x", "c"], ["m"]), ("Div", ["m", "divisor"], ["y"])], {"divisor": 5.0}),
        ([ADD, CLIP, ("Div", ["high", "c"], ["y"])], {"shift": 20.0}),
        ([ADD, CLIP, ("Div", ["c", "high"], ["d"]), ("Add", ["c", "d"], ["y"])], {}),
        ([ADD, CLIP, ("Mul", ["c", "c"], ["m"]), ("Div", ["m", "high"], ["y"])], {}),
        ([ADD, CLIP, ("Relu", ["c"], ["y"])], {}),
        ([ADD, CLIP, ("Mul", ["x", "c"], ["y"])], {}),
        ([ADD, ("Clip", ["a", "low", "high"], ["y"])], {}),
        ([ADD, ("Clip", ["a", "low"], ["c"]), DIVIDE], {}),
        ([ADD, ("Clip", ["a", "", "high"], ["c"]), DIVIDE], {}),
        ([("Clip", ["x", "low", "high"], ["c"]), DIVIDE], {}),
        ([("Add", ["x", "x"], ["a"]), CLIP, DIVIDE], {}),
    ],
    ids=[
        "low limit above 0",
        "low limit below 0",
        "a shift a channel",
        "another divisor",
        "a divisor a channel",
        "another divisor of the product",
        "divided by the Clip",
        "Clip read twice",
        "Clip times itself",
        "no division",
        "no division of the product",
        "Clip last",
        "no high limit",
        "no low limit",
        "no shift",
        "no constant shift",
    ],
)
def test_what_is_no_hard_sigmoid_stays(nodes: Nodes, arrays: dict[str, np.ndarray | float]) -> None:
    assert operators(rewritten(model(nodes, **arrays))) == [node[0] for node in nodes]


@pytest.mark.parametrize("constant", ["shift", "divisor"])
def test_a_constant_that_adds_a_dimension_keeps_it(constant: str) -> None:
    nodes: Nodes = [ADD, CLIP, ("Div", ["c", "divisor"], ["y"])]
    arrays = {"shift": np.float32(3), "divisor": np.float32(6)}
    proto = model(nodes, **{**arrays, constant: np.full((1, 1, 1, 1, 1), arrays[constant])})
    result = ir.from_proto(proto)
    HardSigmoidPass()(result)
    assert_same_outputs(proto, result)
