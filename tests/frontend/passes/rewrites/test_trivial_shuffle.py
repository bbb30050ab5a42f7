"""A channel shuffle of one group is left out, any other stays."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from gdfq_export.frontend.passes.canonical import canonicalize
from tests import tiny_graph
from tests.frontend.passes.equivalence import assert_same_outputs, operators


def shuffled(groups: int, order: tuple[int, ...] = (0, 2, 1, 3, 4), back: int = 6) -> tuple[ir.Model, list[str]]:
    """Relu -> Reshape -> Transpose -> Reshape -> Relu, canonical; the answers stay."""
    nodes = [
        ("Relu", ["x"], ["r"]),
        ("Reshape", ["r", "apart"], ["a"]),
        ("Transpose", ["a"], ["t"], {"perm": list(order)}),
        ("Reshape", ["t", "together"], ["b"]),
        ("Relu", ["b"], ["y"]),
    ]
    proto = tiny_graph.model(
        nodes=nodes,
        inputs={"x": ("batch", 6, 4, 4)},
        outputs=["y"],
        initializers={
            "apart": np.array([-1, groups, 6 // groups, 4, 4], np.int64),
            "together": np.array([-1, back, 4, 96 // back // 4], np.int64),
        },
    )
    model = canonicalize(proto, "test")
    assert_same_outputs(proto, model, tolerance=1e-6)
    return model, operators(model)


@pytest.mark.parametrize("groups", [1, 6])
def test_one_group_and_groups_of_one_move_nothing(groups: int) -> None:
    assert "Transpose" not in shuffled(groups)[1]
    assert "Reshape" not in shuffled(groups)[1]


@pytest.mark.parametrize("groups", [2, 3])
def test_a_shuffle_stays(groups: int) -> None:
    assert shuffled(groups)[1].count("Transpose") == 1


def test_another_order_stays() -> None:
    assert "Transpose" in shuffled(1, order=(0, 1, 2, 4, 3))[1]


def test_another_shape_stays() -> None:
    assert "Reshape" in shuffled(1, back=12)[1]
