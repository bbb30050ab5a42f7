"""Networks of one image, as torch exports them by default: the batch is in targets of Reshape and in constants."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from gdfq_export.frontend.passes.canonical import canonicalize
from gdfq_export.frontend.passes.measured_shapes import run_model
from tests import tiny_graph

RANDOM = np.random.default_rng(0)


def _weights(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def _ints(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def _freed(nodes: list[tiny_graph.Node], shape: tuple[int, ...], **constants: np.ndarray) -> None:
    """The canonical graph gives, for three times the batch, what the network gives for each."""
    proto = tiny_graph.model(nodes=nodes, inputs={"x": shape}, outputs=["y"], initializers=constants, opset=17)
    model = canonicalize(proto, "net.onnx")
    assert str((model.graph.outputs[0].shape or [""])[0]) == "batch"
    images = RANDOM.normal(size=(3 * shape[0], *shape[1:])).astype(np.float32)
    expected = np.concatenate([run_model(proto, {"x": part})["y"] for part in np.split(images, 3)])
    np.testing.assert_allclose(run_model(ir.to_proto(model), {"x": images})["y"], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("batch", [1, 2])
def test_windows_that_are_folded_into_the_batch(batch: int) -> None:
    nodes: list[tiny_graph.Node] = [
        ("Reshape", ["x", "cut"], ["a"]),
        ("Transpose", ["a"], ["b"], {"perm": [0, 2, 4, 1, 3, 5]}),
        ("Reshape", ["b", "windows"], ["c"]),
        ("Softmax", ["c"], ["d"], {"axis": 1}),
        ("Reshape", ["d", "whole"], ["y"]),
    ]
    shapes = {"cut": _ints(batch, 3, 2, 4, 2, 4), "windows": _ints(4 * batch, 3, 16), "whole": _ints(batch, 4, 3, 16)}
    _freed(nodes, (batch, 3, 8, 8), **shapes)


def test_attention_with_the_batch_behind_the_places() -> None:
    nodes: list[tiny_graph.Node] = [
        ("Reshape", ["x", "rows"], ["r"]),
        ("Transpose", ["r"], ["s"], {"perm": [2, 0, 1]}),
        ("MatMul", ["s", "w"], ["q"]),
        ("Reshape", ["q", "heads"], ["h"]),
        ("Transpose", ["h"], ["left"], {"perm": [1, 0, 2]}),
        ("Transpose", ["h"], ["right"], {"perm": [1, 2, 0]}),
        ("MatMul", ["left", "right"], ["scores"]),
        ("Softmax", ["scores"], ["p"], {"axis": -1}),
        ("MatMul", ["p", "left"], ["o"]),
        ("Transpose", ["o"], ["t"], {"perm": [1, 0, 2]}),
        ("Reshape", ["t", "flat"], ["f"]),
        ("Gemm", ["f", "v"], ["g"]),
        ("Reshape", ["g", "back"], ["b"]),
        ("ReduceMean", ["b"], ["y"], {"axes": [0], "keepdims": 0}),
    ]
    shapes = {"rows": _ints(1, 8, 16), "heads": _ints(16, 2, 4), "flat": _ints(16, 8), "back": _ints(16, 1, 5)}
    _freed(nodes, (1, 8, 4, 4), w=_weights(8, 8), v=_weights(8, 5), **shapes)


def test_a_token_that_is_put_in_front() -> None:
    nodes: list[tiny_graph.Node] = [
        ("Reshape", ["x", "rows"], ["r"]),
        ("Concat", ["token", "r", "end"], ["c"], {"axis": 1}),
        ("Mul", ["c", "places"], ["y"]),
    ]
    tokens = {"token": _weights(1, 1, 16), "end": _weights(1, 2, 16), "places": _weights(1, 6, 16)}
    _freed(nodes, (1, 3, 4, 4), rows=_ints(1, 3, 16), **tokens)


def test_a_size_and_a_row_for_each_image() -> None:
    row = np.repeat(_weights(1, 3, 1, 1), 2, 0)
    nodes: list[tiny_graph.Node] = [("Resize", ["x", "", "", "sizes"], ["r"]), ("Add", ["r", "row"], ["y"])]
    _freed(nodes, (2, 3, 4, 4), sizes=_ints(2, 3, 8, 8), row=row)


def test_other_rows_for_each_image_are_kept() -> None:
    proto = tiny_graph.model(
        nodes=[("Add", ["x", "rows"], ["y"])],
        inputs={"x": (2, 3, 4, 4)},
        outputs=["y"],
        initializers={"rows": _weights(2, 3, 1, 1)},
    )
    model = canonicalize(proto, "net.onnx")
    assert [*(model.graph.outputs[0].shape or [])] == [2, 3, 4, 4]
    onnx.checker.check_model(proto)
