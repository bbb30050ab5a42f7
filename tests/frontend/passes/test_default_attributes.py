"""Attributes at their default go, others stay, and the graph computes the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from gdfq_export.frontend.passes.default_attributes import DefaultAttributesPass
from tests import tiny_graph
from tests.frontend.passes.equivalence import assert_same_outputs

RANDOM = np.random.default_rng(0)
PLAIN = {"strides": [1, 1], "dilations": [1, 1], "pads": [0, 0, 0, 0], "auto_pad": "NOTSET"}
KERNEL = {"kernel_shape": [3, 3]}


def _rest(node: tiny_graph.Node, **arrays: np.ndarray) -> dict[str, Any]:
    """Attributes that the pass leaves of x [batch, 4, 6, 6] -> node -> y."""
    proto = tiny_graph.model(nodes=[node], inputs={"x": ("batch", 4, 6, 6)}, outputs=["y"], initializers=arrays)
    model = ir.from_proto(proto)
    before = len(model.graph[0].attributes)
    assert DefaultAttributesPass()(model).modified == (len(model.graph[0].attributes) < before)
    assert_same_outputs(proto, model, tolerance=0)
    return {name: attribute.value for name, attribute in model.graph[0].attributes.items()}


@pytest.mark.parametrize(
    ("attributes", "kept"),
    [
        ({**PLAIN, "group": 1}, {}),
        ({**PLAIN, "strides": [1, 2]}, {"strides": (1, 2)}),
        ({**PLAIN, "pads": [0, 0, 0, 1]}, {"pads": (0, 0, 0, 1)}),
        ({**PLAIN, "dilations": [2, 2]}, {"dilations": (2, 2)}),
        ({"auto_pad": "SAME_UPPER"}, {"auto_pad": "SAME_UPPER"}),
        ({}, {}),
    ],
)
def test_convolution(attributes: dict[str, Any], kept: dict[str, Any]) -> None:
    weight = RANDOM.normal(size=(2, 4, 3, 3)).astype(np.float32)
    assert _rest(("Conv", ["x", "w"], ["y"], {**KERNEL, **attributes}), w=weight) == {"kernel_shape": (3, 3), **kept}


def test_groups_stay() -> None:
    weight = RANDOM.normal(size=(4, 1, 3, 3)).astype(np.float32)
    assert _rest(("Conv", ["x", "w"], ["y"], {"group": 4}), w=weight) == {"group": 4}


@pytest.mark.parametrize(
    ("op_type", "attributes", "kept"),
    [
        ("MaxPool", {**KERNEL, **PLAIN, "ceil_mode": 0, "storage_order": 0}, {"kernel_shape": (3, 3)}),
        ("MaxPool", {**KERNEL, "ceil_mode": 1, "strides": [2, 2]}, {
            "kernel_shape": (3, 3), "ceil_mode": 1, "strides": (2, 2)
        }),
        ("AveragePool", {**KERNEL, "count_include_pad": 0}, {"kernel_shape": (3, 3)}),
        ("AveragePool", {**KERNEL, "count_include_pad": 1, "pads": [1, 1, 1, 1]}, {
            "kernel_shape": (3, 3), "count_include_pad": 1, "pads": (1, 1, 1, 1)
        }),
        ("Flatten", {"axis": 1}, {}),
        ("LeakyRelu", {"alpha": 0.01}, {"alpha": pytest.approx(0.01)}),
    ],
)  # fmt: skip
def test_operators_without_weights(op_type: str, attributes: dict[str, Any], kept: dict[str, Any]) -> None:
    assert _rest((op_type, ["x"], ["y"], attributes)) == kept


@pytest.mark.parametrize(
    ("attributes", "kept"),
    [
        ({"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0}, {}),
        ({"alpha": 2.0, "transB": 1}, {"alpha": 2.0, "transB": 1}),
    ],
)
def test_gemm(attributes: dict[str, Any], kept: dict[str, Any]) -> None:
    weight = RANDOM.normal(size=(3, 144) if attributes["transB"] else (144, 3)).astype(np.float32)
    proto = tiny_graph.model(
        nodes=[("Flatten", ["x"], ["f"]), ("Gemm", ["f", "w"], ["y"], attributes)],
        inputs={"x": ("batch", 4, 6, 6)},
        outputs=["y"],
        initializers={"w": weight},
    )
    model = ir.from_proto(proto)
    DefaultAttributesPass()(model)
    assert_same_outputs(proto, model, tolerance=0)
    assert {name: attribute.value for name, attribute in model.graph[1].attributes.items()} == kept
