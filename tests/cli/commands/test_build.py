"""gdfq-export build: an engine and what runs in it, or one sentence that names the node and no file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest
from click.testing import CliRunner, Result

from gdfq_export.cli.main import cli
from gdfq_export.errors import BackendUnavailable
from gdfq_export.runtimes.tensorrt import Engine, build
from tests import tiny_graph
from tests.jobs.verify.quantized_classifier import classifier
from tests.simulator.quantized import quantize
from tests.simulator.random_network import CHANNELS, CLASSES, SIDE, Network


def good_network() -> onnx.ModelProto:
    net = Network(0)
    net.conv(CHANNELS)
    net.add("Relu", [net.at])
    net.add("GlobalAveragePool", [net.at], (CHANNELS, 1, 1))
    net.add("Flatten", [net.at])
    net.add("Gemm", [net.at, net.weights(CLASSES, CHANNELS)], transB=1)
    proto = tiny_graph.model(
        nodes=net.nodes, inputs={"x": ("batch", 3, SIDE, SIDE)}, outputs=[net.at], initializers=net.initializers
    )
    return quantize(proto, target="tensorrt").file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A file for TensorRT, and one for ONNX Runtime."""
    onnx.save(good_network(), tmp_path / "good.onnx")
    onnx.save(classifier().quantized(), tmp_path / "uint8.onnx")
    return tmp_path


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the command hands to a builder that needs no TensorRT."""
    handed: dict[str, Any] = {}

    def pretend(model: Path, **options: Any) -> Engine:
        handed.update(options, model=model)
        return Engine(data=b"an engine", runtime="tensorrt_rtx 1.7", graph=None, warnings=("beware",), seconds=1.0)

    monkeypatch.setattr("gdfq_export.runtimes.tensorrt.build_engine", pretend)
    return handed


def invoke(folder: Path, model: str, *options: str) -> Result:
    return CliRunner().invoke(cli, ["build", str(folder / model), "--engine-out", str(folder / "net.plan"), *options])


def test_an_engine_is_built_and_its_layers_are_counted(folder: Path) -> None:
    pytest.importorskip("tensorrt_rtx", reason="pip install 'gdfq-export[tensorrt-rtx]'")
    result = invoke(folder, "good.onnx")
    assert result.exit_code == 0, result.output
    assert "2 of 2" in result.stdout and "none in float" in result.stdout
    assert result.stdout.endswith(f"wrote {folder / 'net.plan'}\n")
    assert len((folder / "net.plan").read_bytes()) > 1000


def test_options_reach_the_builder_and_its_warnings_the_user(folder: Path, handed: dict[str, Any]) -> None:
    cache = folder / "cache"
    result = invoke(folder, "good.onnx", "--batch", "16", "--level", "5", "--timing-cache", str(cache))
    assert result.exit_code == 0, result.output
    assert handed == {"model": folder / "good.onnx", "batches": (1, 16, 16), "level": 5, "timing_cache": cache}
    assert "Warning: beware" in result.stderr
    assert (folder / "net.plan").read_bytes() == b"an engine"


def test_what_was_not_measured_is_said(folder: Path, handed: dict[str, Any]) -> None:
    said = invoke(folder, "good.onnx").stdout
    assert said.count("not measured") == 2
    assert "does not list the layers" in said


def test_a_file_that_would_be_refused_is_refused_before_the_builder(folder: Path, handed: dict[str, Any]) -> None:
    result = invoke(folder, "uint8.onnx")
    assert result.exit_code == 2
    error = result.stderr.splitlines()[-1]
    assert "first QuantizeLinear QuantizeLinear_image_quantized: its zero point is 128" in error
    assert "--target tensorrt" in error
    assert "(refused)" in result.stderr
    assert handed == {} and not (folder / "net.plan").exists()


def test_what_only_runs_in_float_is_warned_of_and_built(folder: Path, handed: dict[str, Any]) -> None:
    file = good_network()
    (layer,) = (node for node in file.graph.node if node.op_type == "Gemm")
    (pair,) = (node for node in file.graph.node if node.output[0] == layer.input[0])
    (codes,) = (node for node in file.graph.node if node.output[0] == pair.input[0])
    layer.input[0] = codes.input[0]
    onnx.save(file, folder / "half.onnx")
    result = invoke(folder, "half.onnx")
    assert result.exit_code == 0, result.output
    assert f"Warning: Gemm {layer.name}: its weights are quantized" in result.stderr


def test_a_float_network_is_said_to_be_one(folder: Path, handed: dict[str, Any]) -> None:
    onnx.save(classifier().float_network(), folder / "float.onnx")
    result = invoke(folder, "float.onnx")
    assert result.exit_code == 0, result.output
    assert f"Warning: {folder / 'float.onnx'} is a float network: nothing in it is quantized" in result.stderr


def test_a_missing_file_is_one_sentence(folder: Path, handed: dict[str, Any]) -> None:
    result = invoke(folder, "missing.onnx")
    assert result.exit_code == 2
    assert "missing.onnx" in result.stderr and result.stderr.count("\n") == 1
    assert handed == {}


def test_a_damaged_file_is_one_sentence(folder: Path, handed: dict[str, Any]) -> None:
    (folder / "damaged.onnx").write_bytes((folder / "good.onnx").read_bytes()[:200])
    result = invoke(folder, "damaged.onnx")
    assert result.exit_code == 2
    assert "damaged" in result.stderr and result.stderr.count("\n") == 1
    assert handed == {}


def test_without_tensorrt_the_exit_code_is_3(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise BackendUnavailable("TensorRT is not installed")

    monkeypatch.setattr(build, "find_package", missing)
    result = invoke(folder, "good.onnx")
    assert result.exit_code == 3
    assert result.stderr.splitlines()[-1] == "Error: TensorRT is not installed"
    assert not (folder / "net.plan").exists()


@pytest.mark.parametrize(
    "options",
    [
        ["--engine-out", "good.onnx"],
        ["--engine-out", "absent/net.plan"],
        ["--engine-out", "net.plan", "--timing-cache", "good.onnx"],
        ["--engine-out", "net.plan", "--timing-cache", "net.plan"],
        ["--engine-out", "net.plan", "--timing-cache", "absent/cache"],
    ],
    ids=["over the model", "into no folder", "cache over the model", "cache over the engine", "cache into no folder"],
)
def test_nothing_goes_where_it_may_not(
    folder: Path, handed: dict[str, Any], monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    monkeypatch.chdir(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    result = CliRunner().invoke(cli, ["build", "good.onnx", *options])
    assert result.exit_code == 2
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert handed == {}


def test_an_old_engine_stays_where_the_new_one_fails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(model: Path, **options: Any) -> Engine:
        raise BackendUnavailable("no GPU")

    monkeypatch.setattr("gdfq_export.runtimes.tensorrt.build_engine", crash)
    (folder / "net.plan").write_bytes(b"old")
    assert invoke(folder, "good.onnx").exit_code == 3
    assert (folder / "net.plan").read_bytes() == b"old"
