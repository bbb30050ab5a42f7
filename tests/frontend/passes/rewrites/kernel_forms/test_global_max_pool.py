"""A GlobalMaxPool of any rank becomes a ReduceMax over the same axes."""

from __future__ import annotations

import pytest

from gdfq_export.frontend.passes.canonical import canonicalize
from tests import tiny_graph
from tests.frontend.passes.equivalence import assert_same_outputs, operators


@pytest.mark.parametrize("sizes", [(5,), (5, 4), (5, 4, 3)])
def test_it_takes_the_largest_element_of_each_channel(sizes: tuple[int, ...]) -> None:
    proto = tiny_graph.model(
        nodes=[("GlobalMaxPool", ["x"], ["y"]), ("Flatten", ["y"], ["z"])],
        inputs={"x": ("batch", 3, *sizes)},
        outputs=["y", "z"],
    )
    model = canonicalize(proto, "test")
    assert operators(model) == ["ReduceMax", "Flatten"]
    assert [node.name for node in model.graph] == ["GlobalMaxPool_y", "Flatten_z"]
    assert_same_outputs(proto, model, tolerance=0)
