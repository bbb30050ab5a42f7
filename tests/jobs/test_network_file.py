"""A network of uint8 images with their channels last: the quantized file takes the same, and is verified as it is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper

from gdfq_export.cli.main import cli
from tests.frontend.sources import networks

RECIPE = """
name: quick
data: {generator: {steps: 5, batch: 8}}
calibration: {images: 16}
verify: {agreement_images: 20, parity_images: 20, latency_seconds: 0}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    proto = networks.classifier(infer_shapes=False)
    front = [
        helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["x"], perm=[0, 3, 1, 2]),
    ]
    nodes = [*front, *proto.graph.node]
    del proto.graph.node[:], proto.graph.input[:]
    proto.graph.node.extend(nodes)
    proto.graph.input.append(helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", 8, 8, 3]))
    networks.saved(tmp_path, onnx.shape_inference.infer_shapes(proto, strict_mode=True))
    (tmp_path / "quick.yaml").write_text(RECIPE)
    return tmp_path


def _run(*words: str) -> str:
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 0, result.output
    return result.stderr


def test_the_file_takes_what_the_float_file_takes(folder: Path) -> None:
    network, out = str(folder / "net.onnx"), str(folder / "q.onnx")
    _run("quantize", network, "--onnx-out", out, "--device", "cpu", "--recipe", str(folder / "quick.yaml"))
    (taken,) = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"]).get_inputs()
    assert (taken.name, taken.type, taken.shape) == ("pixels", "tensor(uint8)", ["n", 8, 8, 3])
    report = json.loads((folder / "report.json").read_text())
    assert report["parity"]["exact"]
    _run("verify", out, "--reference", network, "--latency-seconds", "0", "--require-parity")


def test_for_an_engine_it_is_said_what_the_file_takes(folder: Path) -> None:
    network, out = str(folder / "net.onnx"), str(folder / "q.onnx")
    words = ["--target", "tensorrt", "--device", "cpu", "--recipe", str(folder / "quick.yaml")]
    said = _run("quantize", network, "--onnx-out", out, *words)
    assert "takes uint8 [N, H, W, C], the file for tensorrt float32 [N, C, H, W]" in " ".join(said.split())
    image = {"pixels": np.zeros((2, 3, 8, 8), np.float32)}
    assert onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"]).run(None, image)[0].shape == (2, 5)
