"""gdfq-export verify: files in, verdict and exit code out, on a network of two layers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from onnx import numpy_helper

from gdfq_export.artifacts.manifest import write_manifest
from gdfq_export.cli.commands.verify import CPU_NAMES
from gdfq_export.cli.main import cli
from gdfq_export.errors import InputError
from gdfq_export.runtimes.emulation import CPUS, Emulator, process
from gdfq_export.support.not_measured import NotMeasured
from tests.jobs.verify.quantized_classifier import classifier
from tests.runtimes.emulation.same_machine import SameMachine

SIDECAR = '{"preprocess": {"scale": 1, "mean": 0, "std": 1}}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """float.onnx, good.onnx, a file with another bias scale, labelled images."""
    network = classifier()
    onnx.save(network.float_network(), tmp_path / "float.onnx")
    (tmp_path / "float.json").write_text(SIDECAR)
    good = network.quantized()
    onnx.save(good, tmp_path / "good.onnx")
    scale = next(tensor for tensor in good.graph.initializer if tensor.name == "image_scale")
    scale.CopyFrom(numpy_helper.from_array(np.float32(1 / 400), "image_scale"))
    onnx.save(good, tmp_path / "bad.onnx")
    pixels = np.random.default_rng(0).integers(0, 4, (60, 3, 3, 2), dtype=np.uint8)
    logits = network.integers(pixels.transpose(0, 3, 1, 2).astype(np.float32))["logits"]
    np.savez(tmp_path / "images.npz", images=pixels, labels=logits.argmax(axis=1))
    return tmp_path


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory takes three processes a file; `tests/metrics/test_resources.py` has it."""
    monkeypatch.setattr(
        "gdfq_export.jobs.verify.measure.measure_resources",
        lambda *arguments: NotMeasured(reason="left out of these tests"),
    )


def verify(folder: Path, file: str, *options: object) -> Result:
    common = ["--reference", folder / "float.onnx", "--data", folder / "images.npz", "--latency-seconds", 0]
    return CliRunner().invoke(cli, ["verify", str(folder / file), *map(str, [*common, *options])])


def test_a_good_file_passes_its_gates(folder: Path) -> None:
    views = {name: folder / f"out.{name}" for name in ("json", "html", "junit", "markdown")}
    given = [part for name, path in views.items() for part in (f"--{name}", path)]
    result = verify(folder, "good.onnx", "--max-top1-drop-pp", 20, "--require-parity", *given)
    assert result.exit_code == 0, result.output
    report = json.loads(views["json"].read_text())
    assert {gate["name"]: gate["verdict"] for gate in report["gates"]} == {
        "require-rules": "passed",
        "require-parity": "passed",
        "max-top1-drop-pp": "passed",
    }
    assert report["command"] == "verify" and report["recipe"] is None
    assert [report["files"][which]["name"] for which in ("float_network", "quantized")] == ["float.onnx", "good.onnx"]
    assert views["html"].read_text().startswith("<!")
    assert 'tests="3"' in views["junit"].read_text()
    assert "max-top1-drop-pp" in views["markdown"].read_text()


def test_other_cpus_are_in_every_view_and_decide_parity(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Emulator, "require", staticmethod(SameMachine))
    views = {name: folder / f"out.{name}" for name in ("json", "html", "junit", "markdown")}
    given = [part for name, path in views.items() for part in (f"--{name}", path)]
    cpus = ["--cpu", "cortex-a53", "--cpu", "native", "--cpu-images", 5]
    result = verify(folder, "good.onnx", "--require-parity", *cpus, *given)
    assert result.exit_code == 0, result.output
    table = " ".join(result.stdout.split())  # whose lines are as long as the terminal is wide
    assert "parity on cortex-a53" in table and "emulated: time not measured" in table
    report = json.loads(views["json"].read_text())
    assert [(each["cpu"], each["emulated"], each["parity"]["images"]) for each in report["cpus"]] == [
        ("cortex-a53", True, 5),
        ("native", False, 60),
    ]
    assert report["reasons"]["cpus.0.latency"] == "emulated"
    (gate,) = [each for each in report["gates"] if each["name"] == "require-parity"]
    assert gate["verdict"] == "passed" and "cortex-a53: 0 of" in gate["message"] and "native: 0 of" in gate["message"]
    assert all("cortex-a53" in path.read_text() for path in views.values())


def test_every_cpu_can_be_named() -> None:
    assert [*CPUS] == [*CPU_NAMES]


def test_without_the_emulator_another_cpu_ends_with_3(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GDFQ_EXPORT_EMULATOR", str(folder / "none"))
    result = verify(folder, "good.onnx", "--cpu", "cortex-a76")
    assert result.exit_code == 3
    assert "run gdfq-export emulator install" in result.stderr


def test_a_cpu_that_does_not_answer_ends_with_3(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = folder / "silent.py"
    silent.write_text("import threading\nthreading.Event().wait()\n")
    monkeypatch.setattr(process, "WORKER", silent)
    monkeypatch.setattr(Emulator, "require", staticmethod(SameMachine))
    result = verify(folder, "good.onnx", "--cpu", "cortex-a76", "--cpu-seconds", 1)
    assert result.exit_code == 3
    assert "ONNX Runtime on cortex-a76 did not answer within 1 s on good.onnx" in " ".join(result.stderr.split())


def test_given_images_need_no_torch_network(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise InputError("this network is not for torch")

    monkeypatch.setattr("gdfq_export.frontend.float_model.import_graph", refuse)
    assert verify(folder, "good.onnx").exit_code == 0


def test_a_file_that_takes_codes_is_measured(folder: Path) -> None:
    file = onnx.load(folder / "good.onnx")
    first = next(node for node in file.graph.node if node.op_type == "QuantizeLinear")
    assert first.input[0] == file.graph.input[0].name
    kind = next(tensor.data_type for tensor in file.graph.initializer if tensor.name == first.input[2])
    file.graph.input[0].name = first.output[0]
    file.graph.input[0].type.tensor_type.elem_type = kind
    file.graph.node.remove(first)
    onnx.save(file, folder / "codes.onnx")
    result = verify(folder, "codes.onnx", "--require-parity")
    assert result.exit_code == 0, result.output
    assert "codes.onnx takes or gives codes" in result.stderr


def test_a_gate_that_fails_is_exit_code_1_and_names_the_cause(folder: Path) -> None:
    result = verify(folder, "bad.onnx", "--max-top1-drop-pp", 1, "--json", folder / "bad.json")
    assert result.exit_code == 1
    assert "max-top1-drop-pp failed" in result.stderr
    assert (folder / "bad.json").exists()


def test_what_the_images_do_not_decide_does_not_pass(folder: Path) -> None:
    result = verify(folder, "good.onnx", "--max-top1-drop-pp", 0.5)
    assert result.exit_code == 1
    assert "inconclusive with 60 images" in result.stderr


def test_gates_stand_in_a_file_and_flags_win(folder: Path) -> None:
    gates = folder / "gates.yaml"
    gates.write_text("gates: {max_size_ratio: 0.0001}\n")
    assert verify(folder, "good.onnx", "--gates", gates).exit_code == 1
    assert verify(folder, "good.onnx", "--gates", gates, "--max-size-ratio", 100).exit_code == 0


def test_a_report_is_held_against_an_older_one(folder: Path) -> None:
    assert verify(folder, "good.onnx", "--json", folder / "old.json").exit_code == 0
    held = ["--baseline", folder / "old.json", "--max-regression", "size-ratio=0.01"]
    assert verify(folder, "good.onnx", *held).exit_code == 0
    result = verify(folder, "good.onnx", "--baseline", folder / "old.json")
    assert result.exit_code == 2 and "go together" in result.stderr


def test_a_bundle_needs_nothing_else_and_a_changed_one_is_refused(folder: Path) -> None:
    (folder / "good.onnx").rename(folder / "model.onnx")
    write_manifest(folder, {})
    command = ["verify", "--manifest", str(folder / "manifest.json"), "--data", str(folder / "images.npz")]
    assert CliRunner().invoke(cli, [*command, "--latency-seconds", "0"]).exit_code == 0
    (folder / "model.onnx").write_bytes((folder / "bad.onnx").read_bytes())
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 2 and "model.onnx is not the file" in result.stderr


def test_a_bundle_is_not_mixed_with_other_files(folder: Path) -> None:
    write_manifest(folder, {})
    for extra in ([str(folder / "good.onnx")], ["--reference", str(folder / "float.onnx")]):
        result = CliRunner().invoke(cli, ["verify", *extra, "--manifest", str(folder / "manifest.json")])
        assert result.exit_code == 2 and "leave out MODEL and --reference" in result.stderr


def test_a_float_network_is_said_to_be_one(folder: Path) -> None:
    result = verify(folder, "float.onnx")
    assert "Warning: float.onnx is a float network: nothing in it is quantized" in result.stderr


def test_a_float_network_of_other_names_is_doubted(folder: Path) -> None:
    assert "no tensor inside" not in verify(folder, "good.onnx").stderr
    other = classifier().float_network()
    for node in other.graph.node:
        for names in (node.input, node.output):
            names[:] = [f"other_{name}" if name in ("conv", "hidden", "flat") else name for name in names]
    onnx.save(other, folder / "float.onnx")
    result = verify(folder, "good.onnx")
    assert result.exit_code == 0 and "Warning: no tensor inside good.onnx has the name of one of" in result.stderr


def test_what_is_missing_is_asked_for(folder: Path) -> None:
    result = CliRunner().invoke(cli, ["verify", str(folder / "good.onnx")])
    assert result.exit_code == 2 and "--reference, or --manifest" in result.stderr


def test_a_file_of_another_network_is_refused(folder: Path) -> None:
    other = classifier().quantized()
    other.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 7
    onnx.save(other, folder / "other.onnx")
    result = verify(folder, "other.onnx")
    assert result.exit_code == 2 and "the float network that the file was made from" in result.stderr


def test_a_runtime_that_is_not_here_is_exit_code_3(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    assert verify(folder, "good.onnx", "--backend", "openvino").exit_code == 3
