"""A network with one sigmoid output is a classifier of two classes, from the images to the verified file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from gdfq_export.cli.main import cli
from gdfq_export.frontend.sources import load_model
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from tests.frontend.sources import networks

RECIPE = """
name: quick
data: {generator: {steps: 5, batch: 8}}
calibration: {images: 16}
verify: {agreement_images: 20, parity_images: 20, latency_seconds: 0}
"""


def _network() -> onnx.ModelProto:
    proto = networks.classifier()
    weights = networks.weights(proto)
    for tensor in proto.graph.initializer:
        if tensor.name in ("w2", "b2"):
            tensor.CopyFrom(onnx.numpy_helper.from_array(weights[tensor.name][:1], tensor.name))
    proto.graph.node[-1].output[0] = "z"
    proto.graph.node.append(onnx.helper.make_node("Sigmoid", ["z"], ["y"]))
    del proto.graph.value_info[:]
    return onnx.shape_inference.infer_shapes(proto)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sidecar = '{"classes": 2, "preprocess": {"scale": 255}}'
    networks.saved(tmp_path, _network(), sidecar)
    (tmp_path / "quick.yaml").write_text(RECIPE)
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    logits = OnnxRuntime().load(tmp_path / "net.onnx", 1).run(pixels.transpose(0, 3, 1, 2).astype(np.float32) / 255)
    labels = (logits[:, 0] > 0.5).astype(np.int64)
    np.savez(tmp_path / "data.npz", images=pixels, labels=labels)
    return tmp_path


def _run(*words: object) -> None:
    result = CliRunner().invoke(cli, list(map(str, words)))
    assert result.exit_code == 0, result.output


def test_it_is_loaded_as_two_classes(folder: Path) -> None:
    model = load_model(folder / "net.onnx")
    assert model.num_classes == 2
    assert len(model.task.compared) == 1


def test_it_is_quantized_scored_and_verified(folder: Path) -> None:
    net, file = folder / "net.onnx", folder / "q.onnx"
    recipe, data = ("--recipe", folder / "quick.yaml"), ("--data", folder / "data.npz")
    _run("quantize", net, "--onnx-out", file, "--device", "cpu", *recipe, *data)
    report = json.loads((folder / "report.json").read_text())
    assert report["accuracy"]["top1"]["float_network"]["value"] == 1.0
    assert report["accuracy"]["top1"]["quantized"]["value"] > 0.8
    assert report["parity"]["exact"]
    assert [dim.dim_value for dim in onnx.load(file).graph.output[0].type.tensor_type.shape.dim][1:] == [1]
    _run("verify", file, "--reference", net, "--latency-seconds", "0", "--require-parity", *data)
    _run("synthesize", net, "--out", folder / "calib.npz", "--images", "8", "--device", "cpu", *recipe)
    _run("quantize", net, "--onnx-out", file, "--calibration", folder / "calib.npz", "--device", "cpu", *recipe)
