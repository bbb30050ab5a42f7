"""Every gate: passed, failed, inconclusive, not measured; and what its message blames."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdfq_export.errors import InternalError
from gdfq_export.gates import GATES, Gate
from gdfq_export.metrics.coverage import Coverage, NamedNode
from gdfq_export.metrics.in_domain import InDomain
from gdfq_export.metrics.latency import Latency, RatioInterval
from gdfq_export.metrics.layer_error import LayerErrors
from gdfq_export.metrics.parity import ParityResult
from gdfq_export.report.gates import decide
from gdfq_export.report.report import Report
from gdfq_export.report.verdict import GateResult, Verdict
from gdfq_export.support.confidence_interval import paired_difference_interval, proportion
from gdfq_export.support.finding import Consequence, Finding
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.tasks.classification.accuracy import Accuracy, TopK
from gdfq_export.tasks.classification.agreement import Agreement
from tests.report.reports import bare_report, cpu_figures, make_report, task_figures


def top(only_float: int, images: int) -> TopK:
    low, high = paired_difference_interval(only_float, 0, images)
    return TopK(
        float_network=proportion(images, images),
        quantized=proportion(images - only_float, images),
        only_float_right=only_float,
        only_quantized_right=0,
        drop_pp=100 * only_float / images,
        drop_low_pp=100 * low,
        drop_high_pp=100 * high,
    )


def good() -> Report:
    """A report whose every figure is known: 1 of 1000 images lost, twice as fast, a quarter of the bytes."""
    report = make_report(labelled=True)
    assert isinstance(report.latency, Latency) and isinstance(report.layers, LayerErrors)
    lost = top(1, 1000)
    accuracy = Accuracy(images=1000, source="a.npz", agreement=proportion(999, 1000), top1=lost, top5=lost)
    latency = dataclasses.replace(
        report.latency,
        speedup=RatioInterval(value=2.0, low=1.9, high=2.1, rounds=20),
        quantized=dataclasses.replace(report.latency.quantized, p99_ms=3.0, runs=500),
    )
    layers = tuple(dataclasses.replace(layer, snr_db=30.0) for layer in report.layers.layers)
    return dataclasses.replace(
        report,
        task=task_figures(good=True),
        accuracy=accuracy,
        latency=latency,
        layers=dataclasses.replace(report.layers, layers=layers),
        in_domain=(compared("a.npz", 0.02),),
    )


def compared(source: str, distance: float) -> InDomain:
    return InDomain(
        source=source,
        images=64,
        distance=distance,
        limit=0.1,
        channels_log_ratio=-0.5,
        worst_layer="bn1",
        remedy="",
    )


def bad() -> Report:
    """The same with a fault: a layer that is noise, another in float, integers that differ, a rule broken."""
    report = good()
    assert isinstance(report.layers, LayerErrors) and isinstance(report.coverage, Coverage)
    assert isinstance(report.parity, ParityResult) and isinstance(report.accuracy, Accuracy)
    clean, faulty, *rest = report.layers.layers
    faulty = dataclasses.replace(
        faulty,
        tensor="hidden",
        node="Conv_conv",
        op_type="Conv",
        snr_db=3.0,
        input_snr_db=40.0,
        cause="a scale is off",
    )
    lost = top(300, 1000)
    return dataclasses.replace(
        report,
        task=task_figures(good=False),
        accuracy=dataclasses.replace(report.accuracy, agreement=proportion(700, 1000), top1=lost, top5=lost),
        layers=dataclasses.replace(report.layers, layers=(clean, faulty, *rest), worst_tensor="hidden"),
        coverage=dataclasses.replace(
            report.coverage, integer_compute=1, ratio=0.5, float_compute=(NamedNode(name="fc", op_type="Gemm"),)
        ),
        in_domain=(*report.in_domain, compared("b.npz", 0.7)),
        parity=dataclasses.replace(report.parity, exact=False, differing=7, first_differing="hidden"),
        findings=(
            Finding(rule="a", node="n", consequence=Consequence.SLOWER, message="slow"),
            Finding(rule="b", node="q", consequence=Consequence.WRONG, message="q has a wrong zero point"),
        ),
    )


PASSING: dict[str, float | bool] = {
    "require-rules": True,
    "require-parity": True,
    "require-in-domain": True,
    "max-top1-drop-pp": 1.0,
    "max-top5-drop-pp": 1.0,
    "min-agreement": 0.99,
    "min-output-snr-db": 30.0,
    "min-cosine": 0.99,
    "min-self-map": 0.9,
    "max-map-drop-pp": 1.0,
    "min-mask-iou": 0.9,
    "max-miou-drop-pp": 1.0,
    "min-rank1-agreement": 0.9,
    "max-verification-drop-pp": 1.0,
    "min-layer-snr-db": 30.0,
    "min-integer-coverage": 1.0,
    "max-latency-ratio": 0.6,
    "max-p99-ms": 3.0,
    "max-size-ratio": 0.25,
}

WORST = "; the largest error is added by Conv Conv_conv, where the SNR falls from 40.0 to 3.0 dB: a scale is off"

FAILING: dict[str, tuple[Callable[[], Report], float | bool, str]] = {
    "require-rules": (bad, True, "no: 1 node breaks a rule of the runtime: q has a wrong zero point"),
    "require-parity": (bad, True, "no: 7 of 640 integers differ from the simulation on 20 images, first in hidden"),
    "require-in-domain": (bad, True, "no: 64 images of b.npz are unlike the network's training data"),
    "max-top1-drop-pp": (bad, 1.0, WORST),
    "max-top5-drop-pp": (bad, 1.0, WORST),
    "min-agreement": (bad, 0.99, WORST),
    "min-output-snr-db": (bad, 20.0, "a.npz (of output logits); the limit is at least 20 dB" + WORST),
    "min-cosine": (bad, 0.99, "a.npz (of output logits, the mean over images); the limit is at least 0.99" + WORST),
    "min-self-map": (bad, 0.9, "a.npz; the limit is at least 0.9" + WORST),
    "max-map-drop-pp": (bad, 1.0, "a.npz; the limit is at most +1 pp" + WORST),
    "min-mask-iou": (bad, 0.9, "a.npz; the limit is at least 0.9" + WORST),
    "max-miou-drop-pp": (bad, 1.0, "a.npz; the limit is at most +1 pp" + WORST),
    "min-rank1-agreement": (bad, 0.9, "a.npz; the limit is at least 0.9" + WORST),
    "max-verification-drop-pp": (bad, 1.0, "a.npz; the limit is at most +1 pp" + WORST),
    "min-layer-snr-db": (bad, 20.0, "3 dB at tensor hidden of Conv Conv_conv; the limit is at least 20 dB" + WORST),
    "min-integer-coverage": (bad, 1.0, "0.5: 1 of 2 layers run on integers in ONNX Runtime; the limit is at least 1; "),
    "max-latency-ratio": (bad, 0.4, "; in float: Gemm fc"),
    "max-p99-ms": (good, 2.9, "3 ms over 500 runs of batch 1; the limit is at most 2.9 ms"),
    "max-size-ratio": (good, 0.2, "0.25 of float: 100 of 400 bytes; the limit is at most 0.2"),
}

INCONCLUSIVE: dict[str, float] = {
    "max-top1-drop-pp": 0.2,
    "max-top5-drop-pp": 0.2,
    "min-agreement": 0.998,
    "min-output-snr-db": 40.1,
    "min-cosine": 0.9993,
    "min-self-map": 0.9493,
    "max-map-drop-pp": 0.2003,
    "min-mask-iou": 0.9493,
    "max-miou-drop-pp": 0.2003,
    "min-rank1-agreement": 0.9493,
    "max-verification-drop-pp": 0.2003,
    "max-latency-ratio": 0.51,
}


def with_cpus(**figures: ParityResult | NotMeasured) -> Report:
    report = good()
    cpus = tuple(cpu_figures(name, parity) for name, parity in figures.items())
    return dataclasses.replace(report, parity=bad().parity, cpus=cpus)


def test_parity_is_that_of_the_cpus_that_were_named() -> None:
    exact, wrong = good().parity, bad().parity
    assert one(with_cpus(a53=exact, a76=exact), "require-parity", True).verdict is Verdict.PASSED
    failed = one(with_cpus(a53=exact, a76=wrong), "require-parity", True)
    assert failed.verdict is Verdict.FAILED
    assert failed.message == (
        "no: a76: 7 of 640 integers differ from the simulation on 20 images, first in hidden; "
        "a53: 0 of 640 integers differ from the simulation on 20 images"
    )
    unknown = NotMeasured(reason="no simulation")
    inconclusive = one(with_cpus(a53=exact, a76=unknown), "require-parity", True)
    assert (inconclusive.verdict, inconclusive.message) == (Verdict.INCONCLUSIVE, "not measured: a76: no simulation")
    assert one(with_cpus(a53=wrong, a76=unknown), "require-parity", True).verdict is Verdict.FAILED


def one(report: Report, name: str, limit: float | bool) -> GateResult:
    (result,) = decide(report, {name: limit})
    assert (result.name, result.limit) == (name, limit)
    return result


def test_every_gate_is_tried_here() -> None:
    assert [*PASSING] == [*FAILING] == [gate.name for gate in GATES]


@pytest.mark.parametrize("name", PASSING)
def test_it_passes(name: str) -> None:
    result = one(good(), name, PASSING[name])
    assert result.verdict is Verdict.PASSED, result.message


@pytest.mark.parametrize("name", FAILING)
def test_it_fails_and_names_what_is_to_blame(name: str) -> None:
    report, limit, said = FAILING[name]
    result = one(report(), name, limit)
    assert result.verdict is Verdict.FAILED, result.message
    assert said in result.message


@pytest.mark.parametrize("name", INCONCLUSIVE)
def test_a_limit_inside_the_interval_is_not_decided(name: str) -> None:
    result = one(good(), name, INCONCLUSIVE[name])
    assert result.verdict is Verdict.INCONCLUSIVE
    each = "20 rounds" if name == "max-latency-ratio" else "1,000 images"
    assert f"inconclusive with {each}; about " in result.message


NEVER_BARE = ("max-size-ratio", "require-rules", "require-in-domain")  # exact, or with a reason of its own


@pytest.mark.parametrize("name", [name for name in PASSING if name not in NEVER_BARE])
def test_what_was_not_measured_is_not_passed(name: str) -> None:
    result = one(bare_report(), name, PASSING[name])
    assert (result.verdict, result.value, result.message) == (Verdict.INCONCLUSIVE, None, "not measured: because")


def test_top5_of_few_classes_says_why_there_is_none() -> None:
    result = one(make_report(labelled=True), "max-top5-drop-pp", 1.0)
    assert result.message == "not measured: with 4 classes every answer is among the first five"


def test_agreement_is_that_of_labelled_images_where_there_are_any() -> None:
    assert " of 1,000 images of a.npz" in one(good(), "min-agreement", 0.5).message
    unlabelled = make_report(labelled=False)
    assert isinstance(unlabelled.agreement, Agreement)
    assert " of 20 images of noise" in one(unlabelled, "min-agreement", 0.5).message


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ("q", "no: 1 node breaks a rule of the runtime: q is bad"),
        ("qq", "no: 1 node breaks rules of the runtime, first q is bad"),
        ("qrr", "no: 2 nodes break rules of the runtime, first q is bad"),
    ],
)
def test_broken_rules_are_told_by_their_nodes(nodes: str, said: str) -> None:
    broken = tuple(
        Finding(rule="a", node=node, consequence=Consequence.WRONG, message=f"{node} is bad") for node in nodes
    )
    assert one(dataclasses.replace(good(), findings=broken), "require-rules", True).message == said


def test_many_float_layers_are_counted() -> None:
    report = bad()
    assert isinstance(report.coverage, Coverage)
    nodes = tuple(NamedNode(name=f"n{index}", op_type="Conv") for index in range(7))
    report = dataclasses.replace(report, coverage=dataclasses.replace(report.coverage, float_compute=nodes))
    message = one(report, "min-integer-coverage", 1.0).message
    assert message.endswith("; in float: Conv n0, Conv n1, Conv n2, Conv n3, Conv n4 and 2 more")


def test_results_are_in_the_order_of_the_table_and_false_asks_for_nothing() -> None:
    backwards = dict(reversed(PASSING.items())) | {"require-rules": False}
    assert [result.name for result in decide(good(), backwards)] == [gate.name for gate in GATES][1:]


def test_a_gate_that_is_not_there_is_never_passed_over() -> None:
    with pytest.raises(InternalError, match="there is no gate max-speed; there are require-rules, "):
        decide(good(), {"max-speed": 1.0})


def test_a_report_passes_with_all_of_its_gates() -> None:
    report = good()
    assert report.passed
    assert dataclasses.replace(report, gates=decide(report, PASSING)).passed
    for name in INCONCLUSIVE:
        assert not dataclasses.replace(report, gates=decide(report, PASSING | {name: INCONCLUSIVE[name]})).passed
    assert isinstance(bare_report().accuracy, NotMeasured)


ORDER = (Verdict.FAILED, Verdict.INCONCLUSIVE, Verdict.PASSED)
GOOD, BAD = good(), bad()


@given(
    st.sampled_from([gate for gate in GATES if gate.unit != "boolean"]),
    st.floats(0, 50),
    st.floats(0, 50),
    st.booleans(),
)
def test_a_looser_limit_never_gives_a_harder_verdict(gate: Gate, first: float, second: float, sound: bool) -> None:
    strict, loose = sorted((first, second), reverse=not gate.most)
    hard, easy = (one(GOOD if sound else BAD, gate.name, limit).verdict for limit in (strict, loose))
    assert ORDER.index(hard) <= ORDER.index(easy)
