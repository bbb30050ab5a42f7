"""`--target auto` takes what is measured to be fastest, and says why."""

from __future__ import annotations

import dataclasses
from types import MappingProxyType

import numpy as np
import pytest

from gdfq_export.errors import BackendUnavailable, InputError
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.sources import load_model
from gdfq_export.jobs.auto_target import choose_target as module
from gdfq_export.jobs.auto_target.choose_target import _choose, _Timed, choose_target
from gdfq_export.jobs.run_context import RunContext
from gdfq_export.recipe import DEFAULT_RECIPE, load_recipe
from gdfq_export.report.target_choice import TargetChoice
from gdfq_export.runtimes import BACKENDS
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from gdfq_export.targets import TARGETS


def chosen(**milliseconds: float) -> TargetChoice:
    """A choice among drafts that take so long; float takes 10 ms in ONNX Runtime."""
    random = np.random.default_rng(0)
    times = {"float in onnxruntime": 10.0} | {name.replace("_", "-"): value for name, value in milliseconds.items()}
    samples = {name: value * random.uniform(0.99, 1.01, size=(20, 5)) for name, value in times.items()}
    drafts = {
        name: _Timed(session=None, integer_compute=3, float_compute=0)  # type: ignore[arg-type]
        for name in samples
        if name in TARGETS
    }
    reasons = {name: "not installed" for name in TARGETS if name not in drafts}
    return _choose({"onnxruntime": None}, drafts, reasons, samples, 1, 1)  # type: ignore[dict-item]


def test_the_fastest_is_chosen() -> None:
    choice = chosen(ort_cpu=4.0, openvino=2.0)
    assert choice.chosen == "openvino"
    assert choice.reason == "5.00 times the speed of float in onnxruntime"


def test_of_two_that_are_as_fast_the_first_is_chosen() -> None:
    choice = chosen(ort_cpu=4.02, ort_cpu_avx2=4.0)
    assert choice.chosen == "ort-cpu"
    reasons = {candidate.target: candidate.reason for candidate in choice.candidates}
    assert reasons["ort-cpu"].startswith("chosen")
    assert reasons["ort-cpu-avx2"] in ("as fast as ort-cpu, which is preferred", "chosen")


def test_every_target_has_a_row_with_its_reason() -> None:
    choice = chosen(ort_cpu=2.0, openvino=4.0)
    reasons = {candidate.target: candidate.reason for candidate in choice.candidates}
    assert list(reasons) == list(TARGETS)
    assert reasons["openvino"] == "0.50 times the speed of ort-cpu"
    assert reasons["tensorrt"] == "not installed"


def test_it_says_when_float_is_faster() -> None:
    assert "float is faster here" in chosen(ort_cpu=20.0).reason


@pytest.fixture(scope="module")
def demo() -> FloatModel:
    return load_model(None)


def run(model: FloatModel, monkeypatch: pytest.MonkeyPatch, **backends) -> TargetChoice:
    """A choice among `ort-cpu` and `openvino`, the latter in the backend given."""
    monkeypatch.setattr(module, "_SECONDS", 0.1)
    monkeypatch.setattr(module, "BACKENDS", {**BACKENDS, **backends})
    monkeypatch.setattr(module, "TARGETS", {name: TARGETS[name] for name in ("ort-cpu", "openvino")})
    recipe = load_recipe(DEFAULT_RECIPE)
    return choose_target(model, recipe, RunContext(batch=2))


class Absent(OnnxRuntime):
    def require(self) -> None:
        raise BackendUnavailable("nothing is installed")


def test_a_real_network_is_timed_at_the_batch_that_was_asked_for(
    demo: FloatModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice = run(demo, monkeypatch, openvino=Absent())
    assert (choice.chosen, choice.batch, choice.float_runtime) == ("ort-cpu", 2, "onnxruntime")
    first, second = choice.candidates
    assert first.timings is not None and first.integer_compute == 9 and first.float_compute == 0
    assert second.timings is None and second.reason == "nothing is installed"


def test_where_nothing_runs_there_is_no_choice(demo: FloatModel, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no target's file runs on this machine"):
        run(demo, monkeypatch, openvino=Absent(), onnxruntime=Absent())


def test_a_runtime_that_computes_otherwise_is_not_chosen(demo: FloatModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ONNX Runtime does where two products of uint8 and int8 do not fit: here a target claims to be exact."""
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    wrong = dataclasses.replace(TARGETS["openvino"], exact=True, rules=MappingProxyType(dict(TARGETS["ort-cpu"].rules)))
    monkeypatch.setattr(module, "_SECONDS", 0.1)
    monkeypatch.setattr(module, "TARGETS", {"ort-cpu": TARGETS["ort-cpu"], "openvino": wrong})
    recipe = load_recipe(DEFAULT_RECIPE)
    choice = choose_target(demo, recipe, RunContext(batch=1))
    assert choice.chosen == "ort-cpu"
    assert "does not compute what is simulated" in choice.candidates[-1].reason
