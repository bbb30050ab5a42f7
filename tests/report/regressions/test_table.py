"""A report compared with an earlier one: what is allowed and what a sample decides."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdfq_export.errors import InputError, InternalError
from gdfq_export.gates import GATES, Gate
from gdfq_export.metrics.coverage import Coverage, NamedNode
from gdfq_export.metrics.latency import Latency, RatioInterval
from gdfq_export.metrics.resources import FileResources, Resources
from gdfq_export.report.baseline import Baseline, baseline_from_json
from gdfq_export.report.regressions import (
    REGRESSIONS,
    parse_regression,
    regressions,
    require_regressions_of_task,
)
from gdfq_export.report.report import FileFacts, Report
from gdfq_export.report.verdict import GateResult, Verdict
from gdfq_export.support.confidence_interval import paired_difference_interval, proportion
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.tasks.classification.accuracy import Accuracy, TopK
from tests.report.reports import bare_report, make_report, task_figures

USED = Resources(
    runtime="onnxruntime",
    batch=1,
    float_network=FileResources(load_seconds=0.2, peak_memory_bytes=1000),
    quantized=FileResources(load_seconds=0.1, peak_memory_bytes=400),
)


def accuracy(images: int, only_float: int, only_quantized: int, float_right: int, source: str = "a.npz") -> Accuracy:
    low, high = paired_difference_interval(only_float, only_quantized, images)
    right = float_right - only_float + only_quantized
    top1 = TopK(
        float_network=proportion(float_right, images),
        quantized=proportion(right, images),
        only_float_right=only_float,
        only_quantized_right=only_quantized,
        drop_pp=100 * (only_float - only_quantized) / images,
        drop_low_pp=100 * low,
        drop_high_pp=100 * high,
    )
    agreement = proportion(images - only_float - only_quantized, images)
    return Accuracy(
        images=images, source=source, agreement=agreement, top1=top1, top5=NotMeasured(reason="few classes")
    )


def make(file: str = "cd", **parts: Any) -> Report:
    report = make_report(labelled=False)
    quantized = FileFacts(name="q.onnx", bytes=100, sha256=file)
    files = dataclasses.replace(report.files, quantized=quantized, **parts.pop("files", {}))
    return dataclasses.replace(report, files=files, **{"resources": USED} | parts)


def earlier(report: Report) -> Baseline:
    return baseline_from_json(json.loads(report.to_json()), "the baseline")


def worse(now: Report, then: Report, name: str, allowed: float) -> GateResult:
    (result,) = regressions(now, earlier(then), {name: allowed})
    assert (result.name, result.limit) == (f"max-regression {name}", allowed)
    return result


def faster(speedup: float, *, spread: float = 0.01, cpu: str | None = None, p99: float = 1.0) -> dict[str, Any]:
    report = make_report(labelled=False)
    assert isinstance(report.latency, Latency)
    ratio = RatioInterval(value=speedup, low=speedup * (1 - spread), high=speedup * (1 + spread), rounds=20)
    latency = dataclasses.replace(
        report.latency,
        speedup=ratio,
        quantized=dataclasses.replace(report.latency.quantized, p99_ms=p99),
        float_network=dataclasses.replace(report.latency.float_network, p99_ms=2.0),
    )
    machine = report.machine if cpu is None else dataclasses.replace(report.machine, cpu=cpu)
    return {"latency": latency, "machine": machine}


def test_a_file_has_not_become_worse_than_itself() -> None:
    report = make(accuracy=accuracy(20, 1, 0, 18), task=task_figures(good=True))
    allowed = {each.name: 0.0 for each in REGRESSIONS if each.name != "latency-ratio"}
    results = regressions(report, earlier(report), allowed)
    assert [result.name.split()[1] for result in results] == [*allowed]
    assert [result.verdict for result in results] == [Verdict.PASSED] * len(allowed)
    assert "no worse: 85.00 % of 20 images of a.npz, 85.00 % of 20 of a.npz" in results[0].message


def test_top1_on_the_same_images_is_held_by_the_paired_drops() -> None:
    then, now = make("old", accuracy=accuracy(2000, 20, 10, 1400)), make("new", accuracy=accuracy(2000, 24, 10, 1400))
    result = worse(now, then, "top1-pp", 1.0)
    assert result.value == pytest.approx(0.2)
    assert result.low is not None and result.high is not None and result.high - result.low < 2.0
    assert (result.verdict, result.unit) == (Verdict.PASSED, "pp")
    assert "69.30 % of 2,000 images of a.npz, 69.50 % of 2,000 of a.npz in the baseline" in result.message
    elsewhere = make("old", accuracy=accuracy(2000, 20, 10, 1400, source="b.npz"))
    unpaired = worse(now, elsewhere, "top1-pp", 1.0)
    assert unpaired.value == result.value
    assert unpaired.high is not None and unpaired.high > 2 * result.high
    assert unpaired.verdict is Verdict.INCONCLUSIVE
    assert "inconclusive with 2,000 images; about " in unpaired.message


def test_top1_that_fell_fails() -> None:
    then, now = make("old", accuracy=accuracy(2000, 20, 10, 1400)), make("new", accuracy=accuracy(2000, 210, 10, 1400))
    result = worse(now, then, "top1-pp", 1.0)
    assert result.verdict is Verdict.FAILED
    assert result.message.startswith("+9.5 pp [")


def test_agreement_needs_images_of_one_kind() -> None:
    now = make("new", accuracy=accuracy(500, 30, 0, 400))
    unlabelled = worse(now, make("old"), "agreement", 0.5)
    assert "20 images of noise, " in unlabelled.message
    both = worse(now, make("old", accuracy=accuracy(500, 0, 0, 400)), "agreement", 0.01)
    assert (both.value, both.verdict) == (pytest.approx(0.06), Verdict.FAILED)
    assert "0.9400 of 500 images of a.npz, 1.0000 of 500 of a.npz" in both.message


def test_latency_is_held_as_a_ratio_to_float_and_names_another_machine() -> None:
    then, now = make("old", **faster(2.5, cpu="old cpu")), make("new", **faster(2.0))
    failed = worse(now, then, "latency-ratio", 0.05)
    assert (failed.value, failed.verdict) == (pytest.approx(0.1), Verdict.FAILED)
    assert (
        "0.5 of float's latency, 0.4 in the baseline, measured on another machine (old cpu; here cpu)" in failed.message
    )
    assert worse(now, then, "latency-ratio", 0.2).passed
    undecided = worse(now, then, "latency-ratio", 0.1001)
    assert undecided.verdict is Verdict.INCONCLUSIVE and "20 rounds" in undecided.message
    assert "another machine" not in worse(now, make("old", **faster(2.5)), "latency-ratio", 0.05).message


EXACT = {
    "p99-ratio": (make("new", **faster(2, p99=1.5)), make("old", **faster(2, p99=1.0)), 0.25, "0.75 of float's 99th"),
    "size-ratio": (make("new", files={"size_ratio": 0.3}), make("old"), 0.05, "0.3 of float's bytes, 0.25 in the base"),
    "integer-coverage": (
        make(
            coverage=dataclasses.replace(
                make().coverage if isinstance(make().coverage, Coverage) else pytest.fail("no coverage"),
                ratio=0.5,
                float_compute=(NamedNode(name="fc", op_type="Gemm"),),
            )
        ),
        make("old"),
        0.5,
        "; in float: Gemm fc",
    ),
    "load-seconds-ratio": (
        make(resources=dataclasses.replace(USED, quantized=FileResources(load_seconds=0.2, peak_memory_bytes=400))),
        make("old"),
        0.5,
        "1 of float's load time, 0.5 in the baseline",
    ),
    "peak-memory-ratio": (
        make(resources=dataclasses.replace(USED, quantized=FileResources(load_seconds=0.1, peak_memory_bytes=600))),
        make("old"),
        0.2,
        "0.6 of float's peak memory, 0.4 in the baseline",
    ),
}


@pytest.mark.parametrize("name", EXACT)
def test_exact_figures_pass_up_to_what_is_allowed(name: str) -> None:
    now, then, difference, said = EXACT[name]
    assert worse(now, then, name, difference + 1e-6).passed
    failed = worse(now, then, name, difference - 1e-6)
    assert (failed.value, failed.verdict) == (pytest.approx(difference), Verdict.FAILED)
    assert said in failed.message and "worse than the baseline" in failed.message
    assert worse(then, now, name, 0.0).passed


@pytest.mark.parametrize("name", [each.name for each in REGRESSIONS if each.name != "size-ratio"])
def test_what_one_of_the_two_has_not_measured_is_not_decidable(name: str) -> None:
    full = make(accuracy=accuracy(20, 0, 0, 20), task=task_figures(good=True))
    for now, then in ((full, bare_report()), (bare_report(), full)):
        result = worse(now, then, name, 1.0)
        assert (result.verdict, result.value) == (Verdict.INCONCLUSIVE, None)
        assert "because" in result.message
    assert "the baseline has no " in worse(full, bare_report(), name, 1.0).message


TASK_FIGURES = [gate for gate in GATES if gate.from_task]


@pytest.mark.parametrize("gate", TASK_FIGURES, ids=lambda gate: gate.name)
def test_every_figure_of_a_task_has_the_name_and_the_unit_of_its_gate(gate: Gate) -> None:
    good, bad = (make(file, task=task_figures(good=file == "good")) for file in ("good", "bad"))
    name = gate.name.partition("-")[2]
    fell = worse(bad, good, name, 0.01)
    assert (fell.verdict, fell.unit) == (Verdict.FAILED, gate.unit)
    assert fell.value is not None and fell.value > 0
    assert " worse than the baseline: " in fell.message and "on 1,000 images of a.npz" in fell.message
    assert worse(bad, good, name, 100.0).passed
    risen = worse(good, bad, name, 0.0)
    assert risen.passed and risen.value == -fell.value
    assert "no worse: " in risen.message


def test_the_change_of_a_task_s_figure_has_the_interval_of_both() -> None:
    then, now = (make(file, task=task_figures(good=True)) for file in ("old", "new"))
    result = worse(now, then, "output-snr-db", 0.2)
    assert (result.value, result.verdict) == (0.0, Verdict.INCONCLUSIVE)
    assert result.low == pytest.approx(-0.3 * 2**0.5) and result.high == pytest.approx(0.3 * 2**0.5)


def test_a_baseline_of_an_older_format_has_no_figures_of_its_task() -> None:
    report = make(task=task_figures(good=True))
    body = json.loads(report.to_json())
    del body["task"]
    (result,) = regressions(report, baseline_from_json(body, "the baseline"), {"mask-iou": 0.1})
    assert result.verdict is Verdict.INCONCLUSIVE and "the baseline has no task" in result.message


def test_a_figure_of_another_task_is_refused() -> None:
    require_regressions_of_task({"mask-iou": 0.1, "size-ratio": 0.1, "cosine": 0.1}, "segment", "net.onnx")
    with pytest.raises(InputError, match=r"--max-regression top1-pp .* net.onnx is a network of the task segment"):
        require_regressions_of_task({"top1-pp": 0.1}, "segment", "net.onnx")


def test_memory_too_small_to_measure_is_not_divided_by() -> None:
    nothing = dataclasses.replace(USED, float_network=FileResources(load_seconds=0.2, peak_memory_bytes=0))
    result = worse(make(resources=nothing), make(), "peak-memory-ratio", 1.0)
    assert result.verdict is Verdict.INCONCLUSIVE and "too small to measure" in result.message


def test_another_float_network_is_named() -> None:
    other = FileFacts(name="float.onnx", bytes=400, sha256="other")
    result = worse(make(), make("old", files={"float_network": other}), "size-ratio", 0.0)
    assert "whose float network is another file" in result.message


@given(
    before=st.tuples(st.integers(0, 40), st.integers(0, 40)),
    after=st.tuples(st.integers(0, 40), st.integers(0, 40)),
    allowed=st.floats(0, 20),
)
def test_a_larger_allowance_never_turns_a_pass_into_anything_else(
    before: tuple[int, int], after: tuple[int, int], allowed: float
) -> None:
    then, now = make("old", accuracy=accuracy(200, *before, 100)), make("new", accuracy=accuracy(200, *after, 100))
    order = [Verdict.FAILED, Verdict.INCONCLUSIVE, Verdict.PASSED]
    first, second = (worse(now, then, "top1-pp", limit) for limit in (allowed, allowed + 1))
    assert order.index(first.verdict) <= order.index(second.verdict)
    assert first.low is not None and first.value is not None and first.high is not None
    assert first.low - 1 <= first.value <= first.high + 1


def test_an_unknown_figure_is_never_passed_over() -> None:
    with pytest.raises(InternalError, match="no regression speed"):
        regressions(make(), earlier(make()), {"speed": 1.0})


def test_flags_name_a_figure_and_how_much_worse_it_may_be() -> None:
    assert parse_regression("top1-pp=0.5") == ("top1-pp", 0.5)
    assert parse_regression(" size-ratio = 0 ") == ("size-ratio", 0.0)


@pytest.mark.parametrize("text", ["top1=0.5", "top1-pp", "=1", ""], ids=["name", "value", "nameless", "empty"])
def test_a_wrong_name_is_told_the_right_ones(text: str) -> None:
    with pytest.raises(InputError, match=r"NAME=VALUE with a name among top1-pp, agreement, output-snr-db, cosine"):
        parse_regression(text)


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "much", ""])
def test_an_allowance_is_a_number_of_at_least_0(value: str) -> None:
    with pytest.raises(InputError, match="is not a number of at least 0"):
        parse_regression(f"agreement={value}")
