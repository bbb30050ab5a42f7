"""A float file whose height and width are open: the quantized file's are too, unless something in it is of one size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from gdfq_export.cli.main import cli
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from tests.frontend.sources import networks

RECIPE = """
name: quick
data: {generator: {steps: 5, batch: 8}}
calibration: {images: 16}
verify: {agreement_images: 20, parity_images: 20, latency_seconds: 0}
"""
OPEN = {"x": ("n", 3, "height", "width")}
FRONT = [
    ("Conv", ["x", "w"], ["c"], {"pads": [1, 1, 1, 1], "strides": [2, 2]}),
    ("BatchNormalization", ["c", "gamma", "beta", "mean", "var"], ["b"]),
    ("Relu", ["b"], ["r"]),
]
DOUBLED = [("Resize", ["r", "", "scales"], ["y"], {"mode": "nearest"})]
LIKE_THE_IMAGE = [
    ("Shape", ["x"], ["shape"]),
    ("Slice", ["shape", "two", "four"], ["side"]),
    ("Slice", ["shape_of_r", "zero", "two"], ["front"]),
    ("Concat", ["front", "side"], ["sizes"], {"axis": 0}),
    ("Resize", ["r", "", "", "sizes"], ["y"], {"mode": "nearest"}),
]


def _run(folder: Path, proto: onnx.ModelProto, *options: str) -> str:
    path = networks.saved(folder, proto, '{"preprocess": {"scale": 255}}')
    (folder / "quick.yaml").write_text(RECIPE)
    words = ["quantize", str(path), "--onnx-out", str(folder / "q.onnx"), "--device", "cpu", *options]
    result = CliRunner().invoke(cli, [*words, "--recipe", str(folder / "quick.yaml"), "--input-shape", "3,16,16"])
    assert result.exit_code == 0, result.output
    assert '"exact": true' in (folder / "report.json").read_text() or "tensorrt" in options
    return " ".join(result.stderr.split())


def _maps(nodes: list[tuple[object, ...]]) -> onnx.ModelProto:
    proto = networks.classifier()
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    weights["scales"] = np.array([1, 1, 2, 2], np.float32)
    weights |= {name: np.array([value], np.int64) for name, value in (("zero", 0), ("two", 2), ("four", 4))}
    return networks.classifier(inputs=OPEN, nodes=[*FRONT, *nodes], initializers=weights)


def _dims(folder: Path) -> list[list[str | int]]:
    graph = onnx.load(folder / "q.onnx").graph
    values = (*graph.input, *graph.output)
    return [[dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in values]


def _output_shape(folder: Path, *shape: int) -> tuple[int, ...]:
    return OnnxRuntime().load(folder / "q.onnx", 1).run(np.zeros(shape, np.float32)).shape


def test_they_stay_open(tmp_path: Path) -> None:
    proto = _maps(DOUBLED)
    dims = proto.graph.output[0].type.tensor_type.shape.dim
    del dims[:]
    for symbol in ("m", "c", "up", "across"):
        dims.add().dim_param = symbol
    assert "of its input open" not in _run(tmp_path, proto)
    onnx.checker.check_model(onnx.load(tmp_path / "q.onnx"), full_check=True)
    assert _dims(tmp_path) == [["n", 3, "height", "width"], ["n", 4, "up", "across"]]
    assert _output_shape(tmp_path, 2, 3, 48, 32) == (2, 4, 48, 32)


@pytest.mark.parametrize("shape", ["3,16,16", "3,24,40"])
def test_the_file_is_verified_at_any_size(tmp_path: Path, shape: str) -> None:
    _run(tmp_path, _maps(DOUBLED))
    words = ["verify", str(tmp_path / "q.onnx"), "--reference", str(tmp_path / "net.onnx"), "--input-shape", shape]
    result = CliRunner().invoke(cli, [*words, "--latency-seconds", "0", "--require-parity"])
    assert result.exit_code == 0, result.output


def test_a_classifier_has_the_outputs_that_it_had(tmp_path: Path) -> None:
    _run(tmp_path, networks.classifier(inputs=OPEN))
    assert _dims(tmp_path) == [["n", 3, "height", "width"], ["n", 5]]


def test_a_fixed_batch_is_kept_beside_open_sizes(tmp_path: Path) -> None:
    _run(tmp_path, networks.classifier(inputs={"x": (2, 3, "height", "width")}), "--keep-batch")
    assert _dims(tmp_path) == [[2, 3, "height", "width"], [2, 5]]


def test_a_target_whose_engines_have_one_size_keeps_it_and_says_so(tmp_path: Path) -> None:
    said = _run(tmp_path, networks.classifier(inputs=OPEN), "--target", "tensorrt")
    assert "the quantized file takes 3 x 16 x 16 only" in said
    assert _dims(tmp_path)[0] == ["n", 3, 16, 16]


def test_sizes_that_became_constants_keep_the_one_size_and_that_is_said(tmp_path: Path) -> None:
    proto = _maps([("Shape", ["r"], ["shape_of_r"]), *LIKE_THE_IMAGE])
    assert "the quantized file takes 3 x 16 x 16 only" in _run(tmp_path, proto)
    assert _dims(tmp_path) == [["n", 3, 16, 16], ["n", 4, 16, 16]]


def test_other_numbers_in_the_same_shape_keep_the_one_size(tmp_path: Path) -> None:
    """A mean over a window that is the whole image becomes a mean over any image: other numbers at another size."""
    window = [("AveragePool", ["r"], ["p"], {"kernel_shape": [8, 8], "strides": [8, 8]})]
    maximum = [("GlobalMaxPool", ["p"], ["y"])]
    assert "takes 3 x 16 x 16 only" in _run(tmp_path, _maps([*window, *maximum]))
