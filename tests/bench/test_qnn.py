"""A file for QNN has the structure of the one that ONNX Runtime's own tools make of the same network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

from bench.qnn import compared
from gdfq_export.frontend.sources import load_model
from tests.simulator.random_network import CHANNELS, CLASSES, SIDE, Network
from tests.tiny_graph import model


def test_pairs_types_and_scales_are_those_of_onnx_runtimes_tools(tmp_path: Path) -> None:
    net = Network(0)
    net.conv(CHANNELS)
    net.add("Relu", [net.at])
    entry = net.at
    net.conv(CHANNELS)
    net.add("Tanh", [net.at])
    net.add("Add", [entry, net.at])
    net.add("HardSwish", [net.at])
    net.add("Mul", [net.at, net.constant(np.asarray(0.5, np.float32))])
    net.add("GlobalAveragePool", [net.at], (CHANNELS, 1, 1))
    net.add("Flatten", [net.at])
    net.add("Gemm", [net.at, net.weights(CLASSES, CHANNELS)], transB=1)
    path = tmp_path / "net.onnx"
    inputs = {"x": ("batch", 3, SIDE, SIDE)}
    onnx.save(model(nodes=net.nodes, inputs=inputs, outputs=[net.at], initializers=net.initializers), path)
    found = compared(load_model(path))
    assert found["differences"] == {} and found["float nodes of ours"] == {}
    assert found["tensors"]["same"] == found["tensors"]["ours"] == found["tensors"]["onnxruntime"]
