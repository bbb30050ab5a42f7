"""The public API: three lines from any kind of network to a verified file, and what they leave."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import gdfq_export as gq
from gdfq_export.frontend.demo import DemoNetwork, load_demo
from gdfq_export.recipe import Calibration, Data, Recipe, Verify
from gdfq_export.runtimes.emulation import Emulator
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from tests.runtimes.emulation.same_machine import SameMachine

QUICK = Recipe(
    name="quick",
    data=Data(method="noise"),
    calibration=Calibration(images=64),
    verify=Verify(agreement_images=64, parity_images=32, latency_seconds=0),
)
FUNCTIONS = (
    "compare", "doctor", "inspect", "install_emulator", "load", "plan", "quantize", "recipes", "search", "synthesize",
    "verify",
)  # fmt: skip


@pytest.fixture(scope="module")
def result() -> gq.Result:
    return gq.quantize(None, QUICK)


@pytest.fixture(scope="module")
def module() -> nn.Module:
    return load_demo()[0].eval()


def sources(module: nn.Module, folder: Path) -> dict[str, object]:
    """The demo network in every form a user may have it."""
    example = torch.zeros(2, 1, 8, 8)
    batch = {"x": {0: torch.export.Dim("batch")}}
    program = torch.export.export(module, (example,), dynamic_shapes=(batch["x"],))
    torch.export.save(program, folder / "net.pt2")
    onnx.save(gq.load().original, folder / "net.onnx")
    return {"path": folder / "net.onnx", "pt2": folder / "net.pt2", "module": module, "zoo": None}


@pytest.mark.parametrize("kind", ["path", "pt2", "module"])
def test_three_lines_take_any_kind_of_network(module: nn.Module, tmp_path: Path, kind: str) -> None:
    source = sources(module, tmp_path)[kind]
    model = gq.load(source, input_shape=(1, 8, 8), scale=16)
    made = gq.quantize(model, QUICK, tmp_path / "q.onnx")
    assert made.report.parity.exact
    assert (tmp_path / "q.onnx").read_bytes() == made.onnx_bytes


def test_a_zoo_name_is_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gdfq_export.frontend.sources import zoo

    spec = load_demo()[1]
    known = zoo.Stated(input_shape=spec.shape, scale=spec.scale, mean=spec.mean, std=spec.std, origin="pytorchcv")
    monkeypatch.setitem(zoo.ZOOS, "pytorchcv", lambda name: (load_demo()[0], known))
    made = gq.quantize("pytorchcv:resnet_demo", QUICK, tmp_path / "q.onnx")
    assert made.report.source == "pytorchcv:resnet_demo" and made.report.parity.exact


def test_nothing_but_a_file_to_verify_is_required() -> None:
    for name in FUNCTIONS:
        parameters = inspect.signature(getattr(gq, name)).parameters.values()
        required = [parameter.name for parameter in parameters if parameter.default is parameter.empty]
        assert required == (["file"] if name in ("inspect", "verify") else []), name


def test_every_public_name_is_there_and_imported_when_used() -> None:
    assert all(getattr(gq, name) is not None for name in gq.__all__)
    script = "import sys, gdfq_export; print('torch' in sys.modules, 'onnx' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout == "False False\n"
    with pytest.raises(AttributeError, match="no attribute 'quantise'"):
        gq.quantise  # type: ignore[attr-defined] # noqa: B018


def test_the_simulated_network_answers_as_the_file(result: gq.Result) -> None:
    images = gq.demo_data().images
    simulated = result.simulated
    assert isinstance(simulated, nn.Module) and not simulated.training
    with torch.no_grad():
        outputs = simulated(images).numpy()
    file = OnnxRuntime().load(result.onnx_bytes, 1).run(images.numpy())
    assert np.mean(outputs.argmax(1) == file.argmax(1)) == 1.0
    assert np.abs(outputs - file).max() < 0.05 * np.abs(file).max()


def test_a_result_is_saved_shown_and_bundled(result: gq.Result, tmp_path: Path) -> None:
    result.save(tmp_path / "q.onnx", report=tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text())["files"]["quantized"]["bytes"] == len(result.onnx_bytes)
    assert result.html(tmp_path / "report.html").read_text().startswith("<!")
    result.bundle(tmp_path / "bundle")
    assert gq.open_bundle(tmp_path / "bundle").model.read_bytes() == result.onnx_bytes
    options = gq.VerifyOptions(timing=gq.Timing(seconds=0))
    report = gq.verify(tmp_path / "bundle", gates={"require-parity": True}, options=options)
    assert report.passed and report.command == "verify"


def test_a_bundle_is_verified_on_other_cpus(result: gq.Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Emulator, "require", staticmethod(SameMachine))
    result.bundle(tmp_path / "bundle")
    options = gq.VerifyOptions(timing=gq.Timing(seconds=0), cpu_images=3)
    report = gq.verify(
        tmp_path / "bundle", gates={"require-parity": True}, cpus=["cortex-a53", "haswell"], options=options
    )
    assert report.passed
    assert [(each.cpu, each.parity.exact, each.parity.images) for each in report.cpus] == [
        ("cortex-a53", True, 3),
        ("haswell", True, 3),
    ]


def test_the_report_calls_the_file_by_its_name(result: gq.Result) -> None:
    named = result.named("net.int8.onnx")
    assert (named.report.files.quantized.name, named.onnx_bytes) == ("net.int8.onnx", result.onnx_bytes)
    assert result.report.files.quantized.name == "model.onnx"


def test_gates_give_verdicts_and_raise_nothing() -> None:
    made = gq.quantize(None, QUICK, gates={"max-size-ratio": 0.001})
    assert not made.report.passed and made.report.gates[0].name == "max-size-ratio"


def test_verify_asks_for_the_float_network(result: gq.Result, tmp_path: Path) -> None:
    result.save(tmp_path / "q.onnx")
    with pytest.raises(gq.InputError, match="needs its float network"):
        gq.verify(tmp_path / "q.onnx")


def test_an_output_that_cannot_be_written_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(gq.InputError):
        gq.quantize(None, QUICK, tmp_path / "absent" / "q.onnx")


def test_synthesized_images_calibrate(tmp_path: Path) -> None:
    images = gq.synthesize(None, QUICK, tmp_path / "calib.npz", count=96)
    assert images.images.shape == (96, 1, 8, 8)
    made = gq.quantize(None, QUICK, calibration=tmp_path / "calib.npz")
    assert made.report.calibration is not None and made.report.calibration.source.startswith("a saved set")


def test_plan_inspect_recipes_and_doctor_say_what_there_is(result: gq.Result, tmp_path: Path) -> None:
    assert gq.plan(None, QUICK).points == result.plan.points
    result.save(tmp_path / "q.onnx")
    assert gq.inspect(tmp_path / "q.onnx").made_for == "ort-cpu"
    assert gq.recipes()[0].name == "w8a8-ort-cpu"
    assert any(runtime.name == "onnxruntime" for runtime in gq.doctor().runtimes)


def test_a_comparison_is_one_call(tmp_path: Path) -> None:
    run = gq.RunContext(device="cpu", budget_seconds=20)
    found = gq.compare(None, tmp_path / "out", methods=["noise", "dfq"], bits=["w8a8"], run=run)
    assert [cell.measured is not None for cell in found.cells] == [True, True]
    assert (tmp_path / "out" / "comparison.json").exists()


def test_the_demo_class_is_a_module() -> None:
    assert issubclass(DemoNetwork, nn.Module)
