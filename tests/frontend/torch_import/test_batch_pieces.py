"""A graph with a fixed batch takes any number of images in torch, as the runtime does piece by piece."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
import torch

from gdfq_export.frontend.passes.canonical import canonicalize
from gdfq_export.frontend.passes.measured_shapes import run_model
from gdfq_export.frontend.torch_import import import_graph
from gdfq_export.frontend.torch_import.batch_pieces import filled_up, of_images, works_on_rows
from gdfq_export.support.fixed_batch.graph_batch import graph_batch
from gdfq_export.support.fixed_batch.image_pieces import run_in_pieces
from tests import tiny_graph
from tests.frontend.kept_batch_networks import KINDS, network


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 6, 7])
def test_what_torch_gives_is_what_the_runtime_gives_for_each_piece(kind: str, count: int) -> None:
    model = canonicalize(network(kind), "net.onnx")
    batch, proto = graph_batch(model.graph), ir.to_proto(model)
    assert batch is not None
    images = np.random.default_rng(1).normal(size=(count, 3, 8, 8)).astype(np.float32)
    expected = run_in_pieces(lambda piece: run_model(proto, {"x": piece}), images, batch, whole=True)["y"]
    x = torch.from_numpy(images).requires_grad_()
    found = import_graph(model, any_batch=True)(x)
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-4, atol=1e-5)
    found.square().sum().backward()
    assert x.grad is not None and (bool(x.grad.any()) or count == 1)  # the mean of equal images moves with each


def test_the_last_piece_is_filled_up_and_the_surplus_dropped() -> None:
    images = torch.arange(3.0)[:, None]
    assert filled_up(images, 2).flatten().tolist() == [0, 1, 2, 2]
    assert filled_up(images, 3) is images
    assert of_images(torch.arange(8), images, 2).tolist() == [0, 1, 2, 3, 4, 5]
    assert of_images(torch.arange(7), images, 2).tolist() == [*range(7)]


def test_layers_take_all_pieces_at_once() -> None:
    graph = canonicalize(network("images shuffled into channels"), "net.onnx").graph
    alone = [node.op_type for node in graph if works_on_rows(node)]
    assert alone == ["Conv", "BatchNormalization", "Relu", "Conv", "Relu", "GlobalAveragePool", "Flatten", "Gemm"]


@pytest.mark.parametrize(
    ("node", "shape"),
    [
        (("Add", ["x", "rows"], ["y"]), (2, 4)),
        (("Gemm", ["x", "square"], ["y"], {"transA": 1}), (4, 4)),
        (("Gemm", ["x", "square", "rows"], ["y"]), (2, 4)),
        (("MatMul", ["square", "x"], ["y"]), (4, 4)),
        (("Softmax", ["x"], ["y"], {"axis": 0}), (2, 4)),
        (("Flatten", ["x"], ["y"], {"axis": 0}), (2, 4)),
    ],
)
def test_what_looks_at_other_rows_is_computed_piece_by_piece(node: tiny_graph.Node, shape: tuple[int, ...]) -> None:
    constants = {"rows": np.zeros((2, 4), np.float32), "square": np.zeros((4, 4), np.float32)}
    used = {name: array for name, array in constants.items() if name in node[1]}
    model = tiny_graph.graph(nodes=[node], inputs={"x": shape}, outputs=["y"], initializers=used)
    assert not works_on_rows(model.graph[0])
