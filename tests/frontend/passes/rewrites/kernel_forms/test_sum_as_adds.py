"""A Sum or Mean of any number of values becomes Adds."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from gdfq_export.frontend.passes.canonical import canonicalize
from tests import tiny_graph
from tests.frontend.passes.equivalence import assert_same_outputs, operators


def joined(op_type: str, count: int, tolerance: float = 0.0) -> ir.Model:
    """The canonical form of `op_type` of `count` values, which broadcast to one another; the answers stay."""
    sources = [("Relu", ["x"], ["a"]), ("GlobalAveragePool", ["x"], ["b"]), ("Neg", ["x"], ["c"])]
    values = ["a", "b", "gain", "c"][:count]
    proto = tiny_graph.model(
        nodes=[*sources, (op_type, values, ["y"]), ("Exp", ["y"], ["z"])],
        inputs={"x": ("batch", 3, 4, 4)},
        outputs=["y", "z"],
        initializers={"gain": np.array([[[1]], [[2]], [[3]]], np.float32)},
    )
    model = canonicalize(proto, "test")
    assert_same_outputs(proto, model, tolerance=tolerance)
    return model


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_sum_becomes_adds_in_its_order(count: int) -> None:
    model = joined("Sum", count)
    assert "Sum" not in operators(model) and operators(model).count("Add") == count - 1
    assert count == 1 or [node.name for node in model.graph if node.outputs[0].name == "y"] == ["Sum_y"]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_mean_is_the_share_of_a_sum(count: int) -> None:
    model = joined("Mean", count, tolerance=3e-7)
    found = operators(model)
    assert "Mean" not in found and found.count("Add") == count - 1 and found.count("Mul") == int(count > 1)
    if count > 1:
        assert [node.name for node in model.graph if node.op_type == "Mul"] == ["Mean_y"]
