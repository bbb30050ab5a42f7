"""A 1x1 convolution as classifier becomes a Gemm behind the pooling; what is no such classifier stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from gdfq_export.frontend.passes.rewrites.pooled_classifier import PooledClassifierPass
from tests import tiny_graph
from tests.frontend.passes.equivalence import assert_same_outputs, operators

RANDOM = np.random.default_rng(0)
POOL: tiny_graph.Node = ("GlobalAveragePool", ["c"], ["p"])
FLATTEN: tiny_graph.Node = ("Flatten", ["p"], ["y"])


def _weights(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def _model(nodes: list[tiny_graph.Node], outputs: tuple[str, ...] = ("y",), **arrays: np.ndarray) -> onnx.ModelProto:
    defaults = {"w": _weights(5, 4, 1, 1), "b": _weights(5)}
    used = {name for node in nodes for name in node[1]}
    initializers = {name: array for name, array in {**defaults, **arrays}.items() if name in used}
    return tiny_graph.model(
        nodes=nodes, inputs={"x": ("batch", 4, 6, 6)}, outputs=list(outputs), initializers=initializers
    )


def _rewritten(proto: onnx.ModelProto) -> ir.Model:
    model = ir.from_proto(proto)
    before = operators(model)
    modified = PooledClassifierPass()(model).modified
    assert_same_outputs(proto, model)
    assert modified == (operators(model) != before)
    return model


@pytest.mark.parametrize("bias", [[], ["b"]])
def test_a_convolution_then_pooling_then_flatten_becomes_one_gemm(bias: list[str]) -> None:
    model = _rewritten(_model([("Conv", ["x", "w", *bias], ["c"]), POOL, FLATTEN]))
    assert operators(model) == ["GlobalAveragePool", "Flatten", "Gemm"]
    assert model.graph[2].name == "Conv_c"
    assert model.graph.outputs[0].name == "y"
    assert [str(size) for size in model.graph[1].outputs[0].shape or []] == ["batch", "4"]


def test_a_convolution_of_one_pixel_then_flatten_becomes_one_gemm() -> None:
    nodes: list[tiny_graph.Node] = [
        ("GlobalAveragePool", ["x"], ["p"]),
        ("Conv", ["p", "w", "b"], ["c"], {"kernel_shape": [1, 1]}),
        ("Flatten", ["c"], ["y"], {"axis": 1}),
    ]
    assert operators(_rewritten(_model(nodes))) == ["GlobalAveragePool", "Flatten", "Gemm"]


def test_without_flatten_only_the_order_changes() -> None:
    proto = _model([("Conv", ["x", "w", "b"], ["c"]), ("GlobalAveragePool", ["c"], ["y"])])
    assert operators(_rewritten(proto)) == ["GlobalAveragePool", "Conv"]


@pytest.mark.parametrize(
    ("attributes", "arrays"),
    [
        ({"strides": [2, 2]}, {}),
        ({"pads": [1, 1, 1, 1]}, {}),
        ({"group": 2}, {"w": _weights(6, 2, 1, 1), "b": _weights(6)}),
        ({}, {"w": _weights(5, 4, 3, 3)}),
    ],
)
def test_another_convolution_stays_before_the_pooling(
    attributes: dict[str, Any], arrays: dict[str, np.ndarray]
) -> None:
    proto = _model([("Conv", ["x", "w", "b"], ["c"], attributes), POOL, FLATTEN], **arrays)
    assert operators(_rewritten(proto)) == ["Conv", "GlobalAveragePool", "Flatten"]


def test_a_convolution_that_something_else_reads_stays() -> None:
    nodes = [("Conv", ["x", "w"], ["c"]), POOL, FLATTEN, ("Relu", ["c"], ["r"])]
    assert operators(_rewritten(_model(nodes, outputs=("y", "r"))))[0] == "Conv"


def test_a_convolution_that_the_graph_returns_stays() -> None:
    nodes = [("Conv", ["x", "w"], ["c"]), POOL, FLATTEN]
    assert operators(_rewritten(_model(nodes, outputs=("y", "c")))) == ["Conv", "GlobalAveragePool", "Flatten"]


def test_flatten_over_another_axis_stays() -> None:
    nodes: list[tiny_graph.Node] = [("Conv", ["x", "w"], ["c"]), POOL, ("Flatten", ["p"], ["y"], {"axis": 2})]
    assert operators(_rewritten(_model(nodes))) == ["GlobalAveragePool", "Conv", "Flatten"]
