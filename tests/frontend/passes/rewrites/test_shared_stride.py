"""Pixels that all 1 x 1 convolutions of a value skip are skipped once, and nothing else is rewritten."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from gdfq_export.frontend.passes.rewrites.shared_stride import SharedStridePass
from tests import tiny_graph
from tests.frontend.passes.equivalence import assert_same_outputs, operators

IMAGE = ("batch", 3, 7, 8)
RANDOM = np.random.default_rng(0)


def rewritten(nodes: list[tiny_graph.Node], kernel: int = 1) -> ir.Model:
    """The graph behind a Relu, after the pass; its outputs stay."""
    arrays = {name: RANDOM.normal(size=(4, 3, kernel, kernel)).astype(np.float32) for name in ("w", "v")}
    proto = tiny_graph.model(
        nodes=[("Relu", ["x"], ["r"]), *nodes], inputs={"x": IMAGE}, outputs=["y"], initializers=arrays
    )
    model = ir.from_proto(proto)
    SharedStridePass()(model)
    assert_same_outputs(proto, model, tolerance=1e-6)
    return model


def conv(weight: str, result: str, **attributes: list[int]) -> tiny_graph.Node:
    return ("Conv", ["r", weight], [result], attributes)


@pytest.mark.parametrize("strides", [[2, 2], [2, 1], [3, 3]])
def test_the_pixels_are_skipped_before(strides: list[int]) -> None:
    model = rewritten(
        [conv("w", "a", strides=strides), conv("v", "b", strides=strides), ("Add", ["a", "b"], ["y"])],
    )
    assert operators(model) == ["Relu", "MaxPool", "Conv", "Conv", "Add"]
    assert not any("strides" in node.attributes for node in model.graph if node.op_type == "Conv")


@pytest.mark.parametrize(
    ("nodes", "kernel"),
    [
        ([conv("w", "y", strides=[2, 2])], 1),
        ([conv("w", "a", strides=[1, 1]), conv("v", "b"), ("Add", ["a", "b"], ["y"])], 1),
        ([conv("w", "a", strides=[2, 2]), conv("v", "b", strides=[2, 2]), ("Add", ["a", "b"], ["y"])], 3),
        (
            [
                conv("w", "a", strides=[2, 2], pads=[1, 1, 1, 1]),
                conv("v", "b", strides=[2, 2], pads=[1, 1, 1, 1]),
                ("Add", ["a", "b"], ["y"]),
            ],
            1,
        ),
        (
            [
                conv("w", "a", strides=[2, 2]),
                conv("v", "b", strides=[2, 2]),
                ("Add", ["a", "b"], ["c"]),
                ("GlobalAveragePool", ["r"], ["d"]),
                ("GlobalAveragePool", ["c"], ["e"]),
                ("Concat", ["d", "e"], ["y"], {"axis": 1}),
            ],
            1,
        ),
    ],
    ids=["one alone", "no stride", "3 x 3", "padding", "read otherwise too"],
)
def test_anything_else_stays(nodes: list[tiny_graph.Node], kernel: int) -> None:
    assert "MaxPool" not in operators(rewritten(nodes, kernel))
