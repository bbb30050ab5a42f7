"""gdfq-export verify of engines: what is said without a GPU, and what is measured on one that is pretended."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result

from gdfq_export.artifacts.manifest import write_manifest
from gdfq_export.cli.main import cli
from gdfq_export.jobs.verify import verify as verify_job
from gdfq_export.runtimes.tensorrt import Engine, engine_file
from gdfq_export.support.not_measured import NotMeasured
from tests.cli.commands.test_verify import SIDECAR
from tests.jobs.verify.quantized_classifier import classifier
from tests.runtimes.tensorrt.fake_tensorrt import VERSION, engine_bytes, install, layer
from tests.simulator.quantized import quantize

WEIGHTS = [1, -1, 2, -2]
NO_PAIRS = "an engine holds no QuantizeLinear"
MADE = {"tool_version": "test", "target": "tensorrt"}  # as the metadata of the file says


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """float.onnx, its file for TensorRT, an engine, images whose labels the engine gives."""
    float_network = classifier().float_network()
    onnx.save(float_network, tmp_path / "float.onnx")
    (tmp_path / "float.json").write_text(SIDECAR)
    onnx.save(quantize(float_network, target="tensorrt").file, tmp_path / "model.onnx")
    layers = [layer("conv"), layer("gemm", "gemm", "FP32")]
    (tmp_path / "model.plan").write_bytes(engine_bytes(weights=WEIGHTS, layers=layers, milliseconds=1.0))
    pixels = np.random.default_rng(0).integers(0, 3, (60, 3, 3, 2), dtype=np.uint8)
    np.savez(tmp_path / "images.npz", images=pixels, labels=np.full(60, 2))
    return tmp_path


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU, on which the float network answers as the engine does and takes three times as long."""
    install(monkeypatch)

    def build(model: bytes, *, batches: tuple[int, int, int], package: str) -> Engine:
        assert package == "tensorrt_rtx"
        data = engine_bytes(weights=WEIGHTS, batch=[*batches], milliseconds=3.0)
        return Engine(data=data, runtime="tensorrt_rtx", graph=None, warnings=(), seconds=0.1)

    monkeypatch.setattr(verify_job, "build_engine", build)
    monkeypatch.setattr(
        "gdfq_export.jobs.verify.measure.measure_resources",
        lambda *arguments: NotMeasured(reason="left out of these tests"),
    )
    monkeypatch.setattr(
        "gdfq_export.jobs.verify.measure.measure_resources",
        lambda *arguments: NotMeasured(reason="left out of these tests"),
    )


def verify(folder: Path, file: str, *options: object) -> Result:
    common = ["--reference", folder / "float.onnx", "--data", folder / "images.npz", "--json", folder / "out.json"]
    words = [str(folder / file), *map(str, [*common, "--latency-seconds", 0.01, *options])]
    return CliRunner().invoke(cli, ["verify", *words])


@pytest.mark.usefixtures("gpu")
def test_an_engine_is_measured_as_far_as_it_can_be(folder: Path) -> None:
    views = [part for name in ("html", "junit", "markdown") for part in (f"--{name}", folder / f"out.{name}")]
    gates = ["--max-top1-drop-pp", 10, "--max-latency-ratio", 0.5, "--min-integer-coverage", 0.5]
    result = verify(folder, "model.plan", "--details", *gates, *views)
    assert result.exit_code == 0, result.output
    report = json.loads((folder / "out.json").read_text())
    assert report["files"]["quantized"]["name"] == "model.plan"
    assert report["files"]["quantized"]["bytes"] == (folder / "model.plan").stat().st_size
    assert report["accuracy"]["top1"]["quantized"]["value"] == report["agreement"]["top1"]["value"] == 1.0
    assert report["latency"]["speedup"]["value"] == 3.0 and "CUDA events" in report["latency"]["clock"]
    assert (report["coverage"]["integer_compute"], report["coverage"]["float_compute"][0]["name"]) == (1, "gemm")
    assert report["runtime"] == {"name": "tensorrt", "measured_in": "tensorrt", "reason": None}
    for figure in ("parity", "simulation", "layers", "weights", "findings"):
        assert report[figure] is None and NO_PAIRS in report["reasons"][figure]
    assert [gate["name"] for gate in report["gates"]] == [
        "max-top1-drop-pp",
        "min-integer-coverage",
        "max-latency-ratio",
    ]
    assert "by CUDA events" in " ".join(result.stdout.split())
    assert (folder / "out.html").read_text().count(NO_PAIRS) >= 3


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("gate", ["--require-rules", "--require-parity"])
def test_a_gate_on_what_an_engine_does_not_hold_is_not_decidable(folder: Path, gate: str) -> None:
    result = verify(folder, "model.plan", gate)
    assert result.exit_code == 1
    assert f"{gate[2:]} inconclusive: not measured: {NO_PAIRS}" in result.stderr


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize(
    ("facts", "options", "words"),
    [
        ({"weights": [1, 2, 3]}, (), "has 3 classes, the float network "),
        ({"weights": WEIGHTS, "shape": (3, 8, 8)}, (), "[1, 2, 3, 3]; give the float network that the engine was"),
        ({"weights": WEIGHTS}, ("--batch", 8), "takes at most 4 images a run, not 8"),
    ],
    ids=["classes", "image", "batch"],
)
def test_an_engine_of_another_network_is_refused(
    folder: Path, facts: dict[str, object], options: tuple[object, ...], words: str
) -> None:
    (folder / "other.plan").write_bytes(engine_bytes(**facts))
    result = verify(folder, "other.plan", *options)
    assert result.exit_code == 2, result.output
    assert words in result.stderr


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("option", [("--backend", "ort"), ("--target", "openvino"), ("--target", "portable")])
def test_a_runtime_that_runs_no_engines_is_refused(folder: Path, option: tuple[str, str]) -> None:
    result = verify(folder, "model.plan", *option)
    assert result.exit_code == 2
    assert "model.plan is an engine, which --" in result.stderr and "or give the ONNX file" in result.stderr


@pytest.mark.usefixtures("gpu")
def test_a_bundles_engine_is_measured_where_it_runs(folder: Path) -> None:
    write_manifest(folder, {**MADE, "engine": {"built_with": "tensorrt_rtx"}})
    result = of_bundle(folder)
    assert result.exit_code == 0, result.output
    assert json.loads((folder / "out.json").read_text())["files"]["quantized"]["name"] == "model.plan"


@pytest.mark.usefixtures("gpu")
def test_a_bundles_engine_is_left_out_where_another_runtime_is_asked_for(folder: Path) -> None:
    write_manifest(folder, MADE)
    result = of_bundle(folder, "--backend", "ort")
    assert "Warning: model.plan was not run: the target ort-cpu runs no engines" in result.stderr
    assert json.loads((folder / "out.json").read_text())["files"]["quantized"]["name"] == "model.onnx"


def without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    monkeypatch.setattr(engine_file, "reason_against_gpu", lambda: "the driver sees no GPU")
    monkeypatch.setattr("gdfq_export.runtimes.tensorrt.reason_against_gpu", lambda: "the driver sees no GPU")


def of_bundle(folder: Path, *options: object) -> Result:
    words = ["--manifest", folder, "--data", folder / "images.npz", "--json", folder / "out.json", *options]
    return CliRunner().invoke(cli, ["verify", "--latency-seconds", "0", *map(str, words)])


def test_without_a_gpu_a_bundles_file_is_measured_and_its_engine_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_gpu(monkeypatch)
    monkeypatch.setattr(
        "gdfq_export.jobs.verify.measure.measure_resources",
        lambda *arguments: NotMeasured(reason="left out of these tests"),
    )
    write_manifest(folder, MADE)
    result = of_bundle(folder)
    assert result.exit_code == 0, result.output
    report = json.loads((folder / "out.json").read_text())
    assert report["files"]["quantized"]["name"] == "model.onnx"
    said = [warning for warning in report["warnings"] if warning.startswith("model.plan was not run")]
    assert len(said) == 1 and "model.onnx was measured" in said[0] and "the driver sees no GPU" in said[0]
    assert f"Warning: {said[0]}" in result.stderr


def test_a_bundle_whose_engine_was_changed_is_refused(folder: Path) -> None:
    write_manifest(folder, MADE)
    (folder / "model.plan").write_bytes(b"vtrt, another")
    result = of_bundle(folder)
    assert result.exit_code == 2 and "model.plan is not the file" in result.stderr


def test_without_a_gpu_it_is_exit_code_3_after_everything_else_was_looked_at(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_gpu(monkeypatch)
    result = verify(folder, "model.plan")
    assert result.exit_code == 3
    assert "runs on NVIDIA GPUs only: the driver sees no GPU; verify it on its device" in result.stderr
    assert not (folder / "out.json").exists()
    (folder / "float.onnx").unlink()
    result = verify(folder, "model.plan")
    assert result.exit_code == 2 and "float.onnx does not exist" in result.stderr


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (None, 2, "model.plan does not exist"),
        (engine_bytes(weights=WEIGHTS)[:-3], 2, "is damaged or cut short"),
        (b"no engine", 2, "is no engine of TensorRT"),
        (engine_bytes(version="1.6.1.120"), 3, f"tensorrt_rtx 1.6.1.120, and tensorrt_rtx {VERSION} is installed"),
    ],
    ids=["missing", "cut", "other", "older"],
)
def test_an_engine_that_cannot_run_anywhere_is_said_before_the_gpu(
    folder: Path, monkeypatch: pytest.MonkeyPatch, data: bytes | None, code: int, words: str
) -> None:
    without_gpu(monkeypatch)
    (folder / "model.plan").unlink()
    if data is not None:
        (folder / "model.plan").write_bytes(data)
    result = verify(folder, "model.plan")
    *said, error = result.stderr.splitlines()
    assert result.exit_code == code and all("classify" in line for line in said)
    assert words in error


def test_an_engine_needs_its_float_network(folder: Path) -> None:
    result = CliRunner().invoke(cli, ["verify", str(folder / "model.plan")])
    assert result.exit_code == 2 and "--reference, or --manifest" in result.stderr
