"""Where OpenVINO adds over the other summand, the pair behind the layer only clips; elsewhere there is none."""

from __future__ import annotations

import pytest

from gdfq_export.planning.constraints import Unrounded
from gdfq_export.planning.plan import QuantPlan
from gdfq_export.recipe import Bits
from tests.planning.placement.planned import Nodes, conv, head, planned, weights

BLOCK: Nodes = [
    conv("x", "w", "c"),
    ("Relu", ["c"], ["r"]),
    conv("r", "v", "d"),
    ("Relu", ["d"], ["q"]),
    conv("q", "u", "e"),
]
SUM: Nodes = [*BLOCK, ("Add", ["e", "r"], ["s"])]
SHORTCUT: Nodes = [*BLOCK, conv("r", "w", "z")]
POOLED: Nodes = [*BLOCK[:2], ("MaxPool", ["r"], ["m"], {"kernel_shape": [3, 3], "pads": [1] * 4}), conv("m", "v", "d")]
HALVES: Nodes = [
    *BLOCK[:2],
    ("Split", ["r"], ["h", "i"], {"axis": 1, "num_outputs": 2}),
    conv("h", "k", "d"),
    conv("d", "l", "e"),
]


def plan(nodes: Nodes, bits: Bits | None = None) -> QuantPlan:
    arrays = {name: weights(4, 4, 3, 3) for name in "wvu"} | {name: weights(2, 2, 3, 3) for name in "kl"}
    read = {name for node in nodes for name in node[1]}
    arrays = {name: array for name, array in arrays.items() if name in read} | {"g": weights(5, 4)}
    return planned([*nodes, *head("s")], output="y", target="openvino", bits=bits, **arrays)


def clipped(found: QuantPlan) -> set[str]:
    return {point.tensor for point in found.points if isinstance(point.constraint, Unrounded)}


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        (SUM, {"e"}),
        ([*BLOCK, ("Add", ["r", "e"], ["s"])], {"e"}),
        ([*BLOCK, ("Relu", ["e"], ["o"]), ("Add", ["o", "r"], ["s"])], {"o"}),
        ([*SHORTCUT, ("Add", ["e", "z"], ["s"])], {"e"}),
        ([*SHORTCUT, ("Add", ["z", "e"], ["s"])], {"z"}),
        ([*POOLED, ("Relu", ["d"], ["q"]), conv("q", "u", "e"), ("Add", ["e", "m"], ["s"])], {"e"}),
    ],
    ids=["first", "second", "its own Relu", "of two the first summand", "of two, turned round", "a pool"],
)
def test_a_sum_over_what_nothing_else_needs(nodes: Nodes, expected: set[str]) -> None:
    found = plan(nodes)
    assert clipped(found) == expected
    assert {node.node for node in found.nodes if node.op_type == "Add" and node.kernel} == {"Add_s"}


@pytest.mark.parametrize(
    ("nodes", "left_out"),
    [
        ([*BLOCK[:3], ("Add", ["d", "r"], ["s"])], "d"),
        ([*BLOCK, ("Add", ["e", "r"], ["a"]), conv("r", "w", "z"), ("Mul", ["a", "z"], ["s"])], "e"),
        ([*HALVES, ("Add", ["e", "h"], ["a"]), ("Concat", ["a", "i"], ["s"], {"axis": 1})], "e"),
        ([*BLOCK, ("GlobalAveragePool", ["r"], ["t"]), ("Add", ["e", "t"], ["s"])], "e"),
    ],
    ids=["its own layer reads it", "read later", "the other half is read later", "of another shape"],
)  # fmt: skip
def test_a_sum_over_what_something_else_needs_has_no_pair(nodes: Nodes, left_out: str) -> None:
    found = plan(nodes)
    assert clipped(found) == set()
    assert left_out not in found.by_tensor


@pytest.mark.parametrize(
    ("nodes", "point"),
    [(SUM, None), ([*BLOCK, ("Relu", ["e"], ["o"]), ("Add", ["o", "r"], ["s"])], "o")],
    ids=["the layer's", "its Relu's"],
)
def test_fewer_bits_would_be_rounded(nodes: Nodes, point: str | None) -> None:
    found = plan(nodes, Bits(activations=4, residual=4))
    assert clipped(found) == set()
    assert {"e", "o"} & set(found.by_tensor) == ({point} if point else set())


def test_four_bits_elsewhere_change_nothing() -> None:
    assert clipped(plan(SUM, Bits(weights=4, activations=4))) == {"e"}
