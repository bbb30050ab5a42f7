"""Runs a model in ONNX Runtime without graph optimisations, the judge of the importer."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import torch

from gdfq_export.frontend.torch_import import import_graph


def runtime_output(proto: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    """Return the first output for the only input."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def imported_output(proto: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    """Return what the imported module computes."""
    with torch.no_grad():
        return import_graph(ir.from_proto(proto))(torch.from_numpy(x)).numpy()


def assert_same_as_runtime(proto: onnx.ModelProto, x: np.ndarray) -> None:
    """Assert that shapes are equal and numbers equal up to float32 rounding."""
    expected = runtime_output(proto, x)
    found = imported_output(proto, x)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max(initial=1e-2))
