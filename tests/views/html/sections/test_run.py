from __future__ import annotations

import dataclasses

from gdfq_export.metrics.latency import RatioInterval, Timings
from gdfq_export.report.target_choice import Candidate, TargetChoice
from gdfq_export.support.finding import Consequence, Finding
from gdfq_export.views.html.sections.run import broken_rules, facts, phases, subtitle, targets
from tests.report.reports import bare_report, make_report


def test_findings_of_every_consequence_are_told_the_most_severe_first() -> None:
    findings = tuple(
        Finding(rule="rule", node=str(each), consequence=each, message="do this") for each in reversed(Consequence)
    )
    rules = broken_rules(dataclasses.replace(make_report(labelled=True), findings=findings))
    assert [rule.consequence for rule in rules] == [str(each) for each in Consequence]
    assert [rule.consequence for rule in rules if rule.severe] == ["refused", "wrong numbers"]


def test_the_longest_phase_has_the_longest_bar() -> None:
    rows = phases(make_report(labelled=True))
    assert [(row.name, row.text, row.bar) for row in rows] == [
        ("calibration", "1.5\u00a0s", 100.0),
        ("latency", "0.2\u00a0s", 16.67),
    ]
    assert phases(bare_report()) == ()


def test_the_line_under_the_title_says_what_was_done_and_where() -> None:
    assert subtitle(make_report(labelled=True)).startswith(
        "float.onnx, quantized \u00b7 recipe w8a8-ort-cpu for ort-cpu"
    )
    assert subtitle(bare_report()) == "float.onnx, verified \u00b7 on cpu, 2\u00a0cores"


def test_what_decides_the_numbers_is_listed() -> None:
    listed = dict(facts(make_report(labelled=True)))
    assert listed["seed"] == "3"
    assert listed["machine"] == "cpu (avx2), 2\u00a0cores, Linux"
    assert {"seed", "recipe", "calibration images"}.isdisjoint(dict(facts(bare_report())))


def test_drafts_of_every_target_are_shown_with_the_chosen_one() -> None:
    timings = Timings(runs=9, p50_ms=2.0, p90_ms=2.0, p99_ms=2.0)
    ratio = RatioInterval(value=2.0, low=1.5, high=2.5, rounds=9)
    candidate = Candidate(
        target="ort-cpu",
        runtime="onnxruntime",
        timings=timings,
        speedup=ratio,
        integer_compute=3,
        float_compute=1,
        reason="fastest",
    )
    other = dataclasses.replace(candidate, target="openvino", timings=None, speedup=None, reason="not installed")
    choice = TargetChoice(
        chosen="ort-cpu",
        reason="it is fastest",
        batch=1,
        threads=1,
        float_runtime="onnxruntime",
        float_timings=timings,
        candidates=(candidate, other),
    )
    first, second = targets(dataclasses.replace(make_report(labelled=True), target_choice=choice))
    assert (first.chosen, first.median, first.speed, first.integers) == (
        True,
        "2.00\u00a0ms",
        "2.00 [1.50, 2.50]",
        "3 of 4",
    )
    assert (second.chosen, second.median, second.speed) == (False, "not measured", "")
    assert targets(make_report(labelled=True)) == ()
