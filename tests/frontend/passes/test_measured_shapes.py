from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from gdfq_export.errors import InputError
from gdfq_export.frontend.passes import measured_shapes
from gdfq_export.frontend.passes.measured_shapes import measure_shapes
from tests import tiny_graph

NODES: list[tiny_graph.Node] = [
    ("Conv", ["x", "w"], ["c"], {"pads": [1, 1, 1, 1], "strides": [2, 2]}),
    ("MaxPool", ["c"], ["p"], {"kernel_shape": [2, 2], "strides": [2, 2]}),
    ("ReduceMean", ["p", "axes"], ["m"], {"keepdims": 0}),
    ("ArgMax", ["m"], ["y"], {"axis": 1}),
]


def _model(nodes: list[tiny_graph.Node], side: int = 9) -> ir.Model:
    weights = {"w": np.ones((4, 3, 3, 3), np.float32), "axes": np.array([2, 3])}
    return tiny_graph.graph(nodes=nodes, inputs={"x": ("n", 3, side, side)}, outputs=["y"], initializers=weights)


def test_what_is_inferred_is_what_is_measured() -> None:
    model = _model(NODES)
    measured, inferred = measure_shapes(model, "net.onnx"), measure_shapes(model, "net.onnx", known_to_run=True)
    assert measured == inferred and measured["p"].shapes == ((2, 4, 2, 2), (3, 4, 2, 2))
    assert measured["y"].dtype == ir.DataType.INT64


def test_windows_that_are_rounded_up_are_measured() -> None:
    pool: tiny_graph.Node = ("MaxPool", ["c"], ["p"], {"kernel_shape": [2, 2], "strides": [3, 3], "ceil_mode": 1})
    model = _model([NODES[0], pool, *NODES[2:]])
    assert measure_shapes(model, "net.onnx", known_to_run=True) == measure_shapes(model, "net.onnx")


def test_a_graph_that_does_not_run_is_named() -> None:
    model = _model([("Reshape", ["x", "axes"], ["y"])])
    with pytest.raises(InputError, match=r"cannot run net\.onnx on a batch of 2"):
        measure_shapes(model, "net.onnx")


def test_of_large_images_only_the_outputs_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    model, returned = _model(NODES, side=400), []
    run = measured_shapes.run_model

    def watched(proto: onnx.ModelProto, feeds: Any) -> dict[str, np.ndarray]:
        returned.append([output.name for output in proto.graph.output])
        return run(proto, feeds)

    monkeypatch.setattr(measured_shapes, "run_model", watched)
    found = measure_shapes(model, "net.onnx")
    assert returned == [["y"], ["y"]]
    monkeypatch.setattr(measured_shapes, "_LARGE", math.inf)
    assert measure_shapes(model, "net.onnx") == found and len(returned[-1]) == len(NODES)
