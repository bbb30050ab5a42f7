"""What is added inside a convolution is not quantized in between, and nothing else is left out."""

from __future__ import annotations

import pytest

from gdfq_export.planning.plan import QuantPlan
from tests.planning.placement.planned import Nodes, conv, head, planned, weights


def plan(nodes: Nodes, target: str) -> QuantPlan:
    arrays = {name: weights(4, 4, 3, 3) for name in "wvu"}
    return planned([*nodes, *head("s")], output="y", target=target, g=weights(5, 4), **arrays)


FIRST: Nodes = [conv("x", "w", "c"), ("Relu", ["c"], ["r"]), conv("r", "v", "d")]


@pytest.mark.parametrize(
    ("nodes", "left_out"),
    [
        ([*FIRST, ("Add", ["d", "r"], ["s"])], {"d"}),
        ([*FIRST, ("Add", ["r", "d"], ["s"])], {"d"}),
        ([*FIRST, ("Relu", ["d"], ["q"]), ("Add", ["q", "r"], ["s"])], set()),
        ([*FIRST, ("Add", ["d", "r"], ["a"]), ("Add", ["a", "d"], ["s"])], set()),
        ([*FIRST, ("Mul", ["d", "r"], ["s"])], set()),
    ],
    ids=["first", "second", "its own Relu", "read twice", "no Add"],
)
def test_the_edge_between_a_convolution_and_the_add_that_alone_reads_it(nodes: Nodes, left_out: set[str]) -> None:
    everywhere, openvino = (set(plan(nodes, target).by_tensor) for target in ("ort-cpu", "openvino"))
    assert everywhere - openvino == left_out
    assert openvino <= everywhere


@pytest.mark.parametrize("summands", [["d", "e"], ["e", "d"]])
def test_tensorrt_leaves_out_the_first_of_two_whatever_their_order(summands: list[str]) -> None:
    nodes = [*FIRST, conv("r", "u", "e"), ("Add", summands, ["s"])]
    assert {"d", "e"} & set(plan(nodes, "tensorrt").by_tensor) == {"e"}
