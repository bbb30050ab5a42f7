"""gdfq-export quantize: every option reaches the pipeline, what it returns is printed; the pipeline is a stub."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result

from calib.input_spec import InputSpec
from calib.synthetic_set import SyntheticSet
from gdfq_export.cli.main import cli
from gdfq_export.planning.plan import PlannedNode, QuantPlan, QuantPoint, Role
from gdfq_export.targets import Kernel
from gdfq_export.tasks.classification.task import Classification

SPEC = InputSpec(shape=(1, 4, 4), scale=255.0, mean=(0.0,), std=(1.0,))
PLAN = QuantPlan(
    target="ort-cpu",
    points=(
        QuantPoint(
            key="x", tensor="x", consumers=("conv",), role=Role.INPUT, bits=8, signed=False, symmetric=False,
            axis=None, group="x",
        ),
        QuantPoint(
            key="w", tensor="w", consumers=("conv",), role=Role.WEIGHT, bits=4, signed=True, symmetric=True,
            axis=0, group="w",
        ),
    ),
    nodes=(
        PlannedNode(node="conv", op_type="Conv", kernel=Kernel.CONV, absorbed="relu"),
        PlannedNode(node="relu", op_type="Relu", kernel=None, reason="absorbed by conv"),
        PlannedNode(node="soft", op_type="Softmax", kernel=None, reason="no integer kernel"),
    ),
)  # fmt: skip


@dataclass
class Calls:
    """What the command handed on."""

    load_model: dict[str, Any] = field(default_factory=dict)
    quantize: dict[str, Any] = field(default_factory=dict)
    plan_only: tuple[Any, ...] = ()
    saved: tuple[Path, Path | None] | None = None
    forewarnings: tuple[str, ...] = ()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    calls = Calls()
    task = Classification(classes=10, compared=("y",))
    warnings = ("folded before it came here",)
    model = SimpleNamespace(input_spec=SPEC, task=task, num_classes=10, task_notice="10 classes", warnings=warnings)

    def load(source: str | None, **options: Any) -> SimpleNamespace:
        calls.load_model.update(options, source=source)
        return model

    def quantize(network: object, recipe: object, **options: Any) -> SimpleNamespace:
        calls.quantize.update(options, network=network, recipe=recipe)
        options["run"].progress.warn(*model.warnings, *calls.forewarnings)
        click.echo("quantizing", err=True)
        warnings = ("folded before it came here", "a late one", *calls.forewarnings)
        report = SimpleNamespace(warnings=warnings, gates=(), target_choice=None)
        made = SimpleNamespace(report=report, plan=PLAN, write=write)
        made.named = lambda name: made
        return made

    def write(
        *, onnx: Path, report: Path | None, html: Path | None, bundle: Path | None, sign: None
    ) -> tuple[str, ...]:
        calls.saved = (onnx, report)
        return ()

    def plan(network: object, recipe: object, **options: Any) -> QuantPlan:
        calls.plan_only = (network, recipe)
        options["run"].progress.warn(*calls.forewarnings)
        return PLAN

    monkeypatch.setattr("gdfq_export.frontend.sources.model_name.require_model", lambda model: None)
    for function in (load, quantize, plan):
        monkeypatch.setattr(f"gdfq_export.api.{function.__name__}", function)
    monkeypatch.setattr(
        "gdfq_export.report.summary_table.summary_rows", lambda report: [("top-1 drop", "+0.11 pp", "899 [x]")]
    )
    return calls


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(cli, ["quantize", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result


def test_every_option_reaches_the_pipeline(calls: Calls, tmp_path: Path) -> None:
    data, calibration, recipe = tmp_path / "data.npz", tmp_path / "calib.npz", tmp_path / "mine.yaml"
    np.savez(data, images=np.zeros((3, 4, 4, 1), np.uint8), labels=np.arange(3))
    images = np.zeros((5, 1, 4, 4), np.float32)
    logits = np.zeros((5, 10), np.float32)
    made = SyntheticSet(images=images, labels=np.arange(5), logits=logits, input_name="x", provenance={})
    made.save(calibration)
    recipe.write_text("name: mine\n")
    run(
        *("net.onnx", "--onnx-out", tmp_path / "q.onnx", "--report", tmp_path / "r.json", "--recipe", recipe),
        *("--data", data, "--calibration", calibration, "--seed", 7, "--device", "cpu", "--threads", 1),
        *("--scale", 255, "--mean", "0.5,0.4,0.3", "--std", "1", "--input-shape", "3,32,32"),
    )
    assert calls.load_model == {
        "source": "net.onnx",
        "scale": 255.0,
        "mean": (0.5, 0.4, 0.3),
        "std": (1.0,),
        "input_shape": (3, 32, 32),
        "keep_batch": False,
        "task": None,
        "decode": None,
    }
    handed = calls.quantize
    assert calls.saved == (tmp_path / "q.onnx", tmp_path / "r.json")
    run_context = handed["run"]
    assert (handed["recipe"].name, run_context.seed, run_context.device) == ("mine", 7, "cpu")
    assert (len(handed["data"]), handed["calibration"]) == (3, calibration)


def test_without_a_model_the_demo_is_scored_on_its_digits(calls: Calls, tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="the demo extra is not installed")
    run("--onnx-out", tmp_path / "q.onnx")
    assert calls.load_model["source"] is None
    assert (calls.quantize["recipe"].name, calls.quantize["run"].seed) == ("w8a8-ort-cpu", 0)
    assert calls.saved == (tmp_path / "q.onnx", tmp_path / "report.json")
    assert len(calls.quantize["data"]) == 899


def test_a_model_without_data_is_not_scored(calls: Calls, tmp_path: Path) -> None:
    run("net.onnx", "--onnx-out", tmp_path / "q.onnx")
    assert calls.quantize["data"] is None


def test_what_a_plan_costs_is_said_once_and_before_the_work(calls: Calls, tmp_path: Path) -> None:
    calls.forewarnings = ("4-bit weights are stored as int8",)
    result = run("net.onnx", "--onnx-out", tmp_path / "q.onnx")
    assert result.stderr.splitlines()[1:] == [
        "10 classes",
        "Warning: folded before it came here",
        "Warning: 4-bit weights are stored as int8",
        "quantizing",
        "Warning: a late one",
    ]
    dry = run("net.onnx", "--dry-run")
    assert "Warning: 4-bit weights are stored as int8" in dry.stderr


def test_the_table_goes_to_stdout_and_each_warning_once_to_stderr(calls: Calls, tmp_path: Path) -> None:
    result = run("net.onnx", "--onnx-out", tmp_path / "q.onnx")
    assert "top-1 drop" in result.stdout
    assert "+0.11 pp" in result.stdout
    assert "899 [x]" in result.stdout
    assert result.stdout.endswith(f"wrote {tmp_path / 'q.onnx'} and {tmp_path / 'report.json'}\n")
    assert result.stderr.splitlines() == [
        f"Quantizing net.onnx with w8a8-ort-cpu into {tmp_path / 'q.onnx'} and {tmp_path / 'report.json'}; "
        "how long depends on the image size; progress shows it",
        "10 classes",
        "Warning: folded before it came here",
        "quantizing",
        "Warning: a late one",
    ]


def test_the_target_takes_the_place_of_the_recipes(calls: Calls, tmp_path: Path) -> None:
    run("net.onnx", "--onnx-out", tmp_path / "q.onnx", "--target", "openvino")
    assert calls.quantize["recipe"].target == "openvino"


def test_an_unknown_target_is_refused(calls: Calls, tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["quantize", "--onnx-out", str(tmp_path / "q.onnx"), "--target", "tpu"])
    assert result.exit_code == 2
    assert "unknown target 'tpu'; choose one of: openvino, ort-cpu, ort-cpu-avx2" in result.stderr


def test_a_dry_run_prints_the_plan_and_writes_nothing(calls: Calls, tmp_path: Path) -> None:
    result = run("net.onnx", "--onnx-out", tmp_path / "q.onnx", "--dry-run")
    rows = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "x input uint8 one conv" in rows
    assert "w weight int4, symmetric one for each index of axis 0 conv" in rows
    assert "soft Softmax no integer kernel" in rows
    assert not any(row.startswith("relu") for row in rows)
    assert rows[-1].endswith("of 3 nodes, activations absorbed into integer kernels: 1, in float: 1")
    assert calls.quantize == {}
    assert list(tmp_path.iterdir()) == []


def test_the_recipe_is_read_before_the_model(calls: Calls, tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["quantize", "--onnx-out", str(tmp_path / "q.onnx"), "--recipe", "nope"])
    assert result.exit_code == 2
    assert calls.load_model == {}


def test_the_file_has_a_name_unless_told(calls: Calls, tmp_path: Path) -> None:
    run(tmp_path / "net.onnx")
    assert calls.saved == (tmp_path / "net.int8.onnx", tmp_path / "report.json")
    run(tmp_path / "net.onnx", "--recipe", "w4a8-ort-cpu")
    assert calls.saved == (tmp_path / "net.int4.onnx", tmp_path / "report.json")


def test_the_model_is_not_overwritten(calls: Calls, tmp_path: Path) -> None:
    model = tmp_path / "net.onnx"
    model.write_bytes(b"float")
    sidecar = tmp_path / "net.json"
    sidecar.write_text(json.dumps({"classes": 10}))
    for option in (("--onnx-out", model), ("--onnx-out", tmp_path / "q.onnx", "--report", sidecar)):
        result = CliRunner().invoke(cli, ["quantize", str(model), *map(str, option)])
        assert result.exit_code == 2
        assert "choose another name" in result.stderr
    assert model.read_bytes() == b"float"
    assert calls.load_model == {}


def test_a_device_has_no_report_beside_it(calls: Calls) -> None:
    run("net.onnx", "-o", "/dev/null")
    assert calls.saved == (Path("/dev/null"), None)
