"""A float file with a fixed batch: the quantized file takes any batch, which is said, or keeps it where asked to."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from gdfq_export.cli.main import cli
from gdfq_export.frontend.passes.batch.symbolic_batch import fixed_batch
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from tests.frontend.kept_batch_networks import network
from tests.frontend.sources import networks

RECIPE = """
name: quick
data: {generator: {steps: 5, batch: 8}}
calibration: {images: 16}
verify: {agreement_images: 20, parity_images: 20, latency_seconds: 0}
"""

LOW_BITS = """
bits: {weights: 4, activations: 4}
tuning: {equalization: activations, refit: true, activation_scales: true, finetune: {steps: 2, batch: 5}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    networks.saved(tmp_path, networks.classifier(inputs={"x": (4, 3, 8, 8)}), '{"preprocess": {"scale": 255}}')
    (tmp_path / "quick.yaml").write_text(RECIPE)
    return tmp_path


def _run(folder: Path, *options: str) -> str:
    words = ["quantize", str(folder / "net.onnx"), "--onnx-out", str(folder / "q.onnx"), "--device", "cpu"]
    result = CliRunner().invoke(cli, [*words, "--recipe", str(folder / "quick.yaml"), *options])
    assert result.exit_code == 0, result.output
    return result.stderr


def test_it_becomes_dynamic_and_that_is_said(folder: Path) -> None:
    assert "takes exactly 4 images at a time" in _run(folder)
    assert fixed_batch(onnx.load(folder / "q.onnx")) is None
    assert OnnxRuntime().load(folder / "q.onnx", 1).run(np.zeros((3, 3, 8, 8), np.float32)).shape == (3, 5)


def test_it_is_kept_and_the_file_is_verified(folder: Path) -> None:
    assert "at a time" not in _run(folder, "--keep-batch")
    kept = onnx.load(folder / "q.onnx")
    onnx.checker.check_model(kept, full_check=True)
    shapes = [
        [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (kept.graph.input[0], kept.graph.output[0])
    ]
    assert shapes == [[4, 3, 8, 8], [4, 5]]
    assert '"exact": true' in (folder / "report.json").read_text()
    words = ["verify", str(folder / "q.onnx"), "--reference", str(folder / "net.onnx"), "--latency-seconds", "0"]
    result = CliRunner().invoke(cli, [*words, "--require-parity"])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("kind", ["mean of the batch", "one image without its axis"])
def test_a_batch_that_is_part_of_the_computation_is_kept(tmp_path: Path, kind: str) -> None:
    networks.saved(tmp_path, network(kind), '{"preprocess": {"scale": 255}}')
    (tmp_path / "quick.yaml").write_text(RECIPE)
    said = _run(tmp_path, "--bundle", str(tmp_path / "bundle"))
    assert "so the quantized file takes as many" in said
    assert fixed_batch(onnx.load(tmp_path / "q.onnx")) == fixed_batch(network(kind))
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["parity"]["exact"] and report["task"]["name"] == "classify"
    words = ["verify", "--manifest", str(tmp_path / "bundle" / "manifest.json"), "--latency-seconds", "0"]
    result = CliRunner().invoke(cli, [*words, "--require-parity"])
    assert result.exit_code == 0, result.output


def test_low_bits_are_tuned_at_a_batch_that_is_kept(tmp_path: Path) -> None:
    networks.saved(tmp_path, network("images shuffled into channels"), '{"preprocess": {"scale": 255}}')
    (tmp_path / "quick.yaml").write_text(RECIPE + LOW_BITS)
    _run(tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["parity"]["exact"]
