"""`--target auto` keeps the file of the fastest target that fails no gate on accuracy, and says why."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import onnx
import pytest

from gdfq_export.frontend.sources import load_model
from gdfq_export.jobs.auto_target import quantize_fastest as module
from gdfq_export.jobs.quantizing.request import QuantizeRequest
from gdfq_export.jobs.result import Result
from gdfq_export.jobs.run_context import RunContext
from gdfq_export.metrics.latency import RatioInterval, Timings
from gdfq_export.qdq.metadata import own_metadata
from gdfq_export.recipe import Calibration, Data, Generator, Recipe, Verify
from gdfq_export.report.target_choice import Candidate, TargetChoice
from gdfq_export.report.verdict import GateResult, Verdict

RECIPE = Recipe(
    name="quick",
    data=Data(generator=Generator(steps=5, batch=16)),
    calibration=Calibration(images=32),
    verify=Verify(agreement_images=32, parity_images=8, latency_seconds=0),
)
TIMES = Timings(p50_ms=1.0, p90_ms=1.0, p99_ms=1.0, runs=10)


def candidate(target: str, speed: float) -> Candidate:
    interval = RatioInterval(value=speed, low=0.99 * speed, high=1.01 * speed, rounds=10)
    timings = dataclasses.replace(TIMES, p50_ms=10 / speed)
    return Candidate(
        target=target,
        runtime="onnxruntime",
        timings=timings,
        speedup=interval,
        integer_compute=9,
        float_compute=0,
        reason=f"{speed} times",
    )


CHOICE = TargetChoice(
    chosen="ort-cpu",
    reason="3 times the speed of float",
    batch=1,
    threads=1,
    float_runtime="onnxruntime",
    float_timings=dataclasses.replace(TIMES, p50_ms=10.0),
    candidates=(candidate("ort-cpu", 3.0), candidate("portable", 0.5), candidate("ort-cpu-avx2", 2.0)),
)


def verdicts(monkeypatch: pytest.MonkeyPatch, **given: Verdict) -> list[str]:
    """Make the gate on agreement come to this by target; gives back which targets were made."""
    made: list[str] = []
    original = module.quantize

    def quantize(request: QuantizeRequest, run: RunContext) -> Result:
        made.append(request.recipe.target)
        result = original(request, run)
        gate = GateResult(
            name="min-agreement",
            limit=0.9,
            unit="",
            value=0.5,
            low=0.4,
            high=0.6,
            verdict=given.get(request.recipe.target.replace("-", "_"), Verdict.PASSED),
            message="0.5 of 32 images",
        )
        return dataclasses.replace(result, report=dataclasses.replace(result.report, gates=(gate,)))

    monkeypatch.setattr(module, "quantize", quantize)
    return made


def run(out: Path) -> Result:
    request = QuantizeRequest(model=load_model(None), recipe=RECIPE, name=out.name)
    result = module.quantize_fastest(request, CHOICE, RunContext(device="cpu"))
    result.save(out, report=out.with_suffix(".json"))
    return result


def target_of(path: Path) -> str:
    return own_metadata(onnx.load(path))["target"]


def test_the_fastest_is_kept_where_it_keeps_the_gates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = verdicts(monkeypatch)
    result = run(tmp_path / "q.onnx")
    assert made == ["ort-cpu"]
    assert result.report.target_choice == CHOICE
    assert target_of(tmp_path / "q.onnx") == "ort-cpu"


def test_where_it_fails_the_next_fastest_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = verdicts(monkeypatch, ort_cpu=Verdict.FAILED)
    choice = run(tmp_path / "q.onnx").report.target_choice
    assert made == ["ort-cpu", "ort-cpu-avx2"]
    assert target_of(tmp_path / "q.onnx") == "ort-cpu-avx2"
    assert choice is not None and choice.chosen == "ort-cpu-avx2"
    assert "ort-cpu is faster and does not" in choice.reason
    assert choice.candidates[0].reason == "fails min-agreement 0.9: 0.5 of 32 images"
    written = json.loads((tmp_path / "q.json").read_text())
    assert written["target_choice"]["chosen"] == "ort-cpu-avx2"


def test_where_all_fail_the_fastest_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = verdicts(monkeypatch, ort_cpu=Verdict.FAILED, ort_cpu_avx2=Verdict.FAILED)
    choice = run(tmp_path / "q.onnx").report.target_choice
    assert made == ["ort-cpu", "ort-cpu-avx2"]  # portable is slower than float
    assert target_of(tmp_path / "q.onnx") == "ort-cpu"
    assert choice is not None and choice.chosen == "ort-cpu"
    assert all(each.reason.startswith("fails") for each in choice.candidates if each.target != "portable")


def test_a_sample_that_does_not_decide_refuses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = verdicts(monkeypatch, ort_cpu=Verdict.INCONCLUSIVE)
    run(tmp_path / "q.onnx")
    assert made == ["ort-cpu"]
