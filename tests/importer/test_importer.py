"""The importer against ONNX Runtime on whole networks, and what it promises about names, sharing, errors and gradients."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
import torch
from torch import nn

from gdfq_export.errors import InputError
from gdfq_export.importer import import_graph
from tests import tiny_graph

DATA = os.environ.get("GDFQ_EXPORT_DATA")
NETWORKS = sorted(Path(DATA, "models").glob("*.onnx")) if DATA else []


def session(proto: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])


@pytest.mark.skipif(not DATA, reason="GDFQ_EXPORT_DATA is not set")
def test_networks_are_found() -> None:
    assert len(NETWORKS) >= 10


@pytest.mark.parametrize("path", NETWORKS, ids=lambda path: path.stem)
def test_network_gives_the_logits_of_onnx_runtime(path: Path) -> None:
    proto = onnx.load(path)
    runtime = session(proto)
    module = import_graph(ir.from_proto(onnx.version_converter.convert_version(proto, 21)))
    channels, height, width = runtime.get_inputs()[0].shape[1:]
    for batch in (1, 3) if height <= 64 else (1,):
        images = np.random.default_rng(batch).normal(size=(batch, channels, height, width)).astype(np.float32)
        expected = runtime.run(None, {runtime.get_inputs()[0].name: images})[0]
        with torch.no_grad():
            found = module(torch.from_numpy(images)).numpy()
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()
