"""A fixed batch that is part of the computation is kept, and the outputs have a row for each image."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from gdfq_export.errors import InputError
from gdfq_export.frontend.passes.canonical import canonicalize
from gdfq_export.frontend.passes.measured_shapes import run_model
from gdfq_export.support.fixed_batch.graph_batch import graph_batch
from tests import tiny_graph
from tests.frontend.kept_batch_networks import KINDS, network


@pytest.mark.parametrize("kind", KINDS)
def test_the_canonical_graph_computes_the_same_at_its_batch(kind: str) -> None:
    proto = network(kind)
    model = canonicalize(proto, "net.onnx")
    batch = graph_batch(model.graph)
    assert batch == proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value
    assert [*(model.graph.outputs[0].shape or [])] == [batch, 5] and model.graph.outputs[0].name == "y"
    images = np.random.default_rng(0).normal(size=(batch, 3, 8, 8)).astype(np.float32)
    expected = run_model(proto, {"x": images})["y"].reshape(batch, 5)
    np.testing.assert_allclose(run_model(ir.to_proto(model), {"x": images})["y"], expected, rtol=1e-4, atol=1e-5)


def test_outputs_without_a_row_for_each_image_are_refused() -> None:
    proto = tiny_graph.model(
        nodes=[("ReduceMean", ["x"], ["y"], {"keepdims": 1})], inputs={"x": (3, 4)}, outputs=["y"], opset=17
    )
    with pytest.raises(InputError, match=r"net\.onnx is built for a batch of exactly 3 .*y \[1, 1\].* export"):
        canonicalize(proto, "net.onnx")
