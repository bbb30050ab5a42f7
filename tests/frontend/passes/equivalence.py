"""Two graphs compute the same: checked in ONNX Runtime on random images."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir

from gdfq_export.frontend.passes.measured_shapes import run_model


def operators(model: ir.Model) -> list[str]:
    return [node.op_type for node in model.graph]


def assert_same_outputs(
    reference: onnx.ModelProto, model: ir.Model, *, batch: int = 2, tolerance: float = 1e-5, seed: int = 0
) -> None:
    """Compare all outputs; `tolerance` is relative to the largest value, to 0.1 at least: what a Relu left is small."""
    random = np.random.default_rng(seed)
    feeds = {}
    for value in reference.graph.input:
        shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        feeds[value.name] = random.normal(size=[batch, *shape[1:]]).astype(np.float32)
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto, full_check=True)
    expected, found = run_model(reference, feeds), run_model(proto, feeds)
    assert expected.keys() == found.keys()
    for name, array in expected.items():
        assert array.shape == found[name].shape
        np.testing.assert_allclose(found[name], array, rtol=0, atol=tolerance * max(0.1, float(np.abs(array).max())))
