"""A figure compared with a limit, with and without an interval; all gates together."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gdfq_export.gates import Gate
from gdfq_export.report.verdict import Figure, GateResult, Outcome, Verdict, evaluate_gate
from gdfq_export.support.not_measured import NotMeasured

NUMBERS = st.floats(-1e6, 1e6)


def evaluate(
    unit: str, figure: Figure | NotMeasured, limit: float | bool, *, most: bool, name: str = "g"
) -> GateResult:
    return evaluate_gate(Gate(name=name, help="", unit=unit, most=most), figure, limit)


def sampled(value: float, half: float, sample: int | None = 600) -> Figure:
    return Figure(value=value, low=value - half, high=value + half, sample=sample, on=" on x", blame="; by y")


@pytest.mark.parametrize(
    ("value", "half", "most", "verdict"),
    [
        (0.5, 0.4, True, Verdict.PASSED),
        (0.5, 0.5, True, Verdict.PASSED),
        (0.9, 0.2, True, Verdict.INCONCLUSIVE),
        (1.5, 0.6, True, Verdict.INCONCLUSIVE),
        (1.5, 0.4, True, Verdict.FAILED),
        (1.5, 0.4, False, Verdict.PASSED),
        (1.1, 0.2, False, Verdict.INCONCLUSIVE),
        (0.5, 0.4, False, Verdict.FAILED),
    ],
)
def test_the_whole_interval_must_hold_the_limit(value: float, half: float, most: bool, verdict: Verdict) -> None:
    result = evaluate("pp", sampled(value, half), 1.0, most=most)
    assert (result.verdict, result.passed) == (verdict, verdict is Verdict.PASSED)
    assert (result.value, result.low, result.high) == (value, value - half, value + half)
    assert result.message.endswith("; by y") == (verdict is Verdict.FAILED)
    assert f"the limit is {'at most' if most else 'at least'} +1 pp" in result.message


def test_it_says_how_many_images_would_decide() -> None:
    result = evaluate("pp", sampled(0.5, 1.0), 1.0, most=True)
    said = "inconclusive with 600 images; about 2,400 would decide if the figure stays the same"
    assert result.message == f"+0.5 pp [-0.5 pp, +1.5 pp] on x; the limit is at most +1 pp: {said}"


def test_one_image_is_one() -> None:
    figure = Figure(value=0.5, low=-0.5, high=1.5, sample=1)
    assert "inconclusive with 1 image;" in evaluate("pp", figure, 1.0, most=True).message


@pytest.mark.parametrize("gap", [0.0, 1e-9, 1e-300])
def test_no_number_of_images_decides_a_figure_on_its_limit(gap: float) -> None:
    result = evaluate("", sampled(0.0, 1.0), gap, most=True)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.message.endswith("the figure equals the limit, choose another limit")


def test_an_exact_figure_is_always_decided() -> None:
    exact = Figure(value=1.0, low=1.0, high=1.0, blame="; by y")
    assert evaluate("", exact, 1.0, most=True).passed and evaluate("", exact, 1.0, most=False).passed
    assert evaluate("dB", exact, 2.0, most=False).message == "1 dB; the limit is at least 2 dB; by y"


@pytest.mark.parametrize(("value", "verdict"), [(1.0, Verdict.PASSED), (0.0, Verdict.FAILED)], ids=["yes", "no"])
def test_what_is_required_is_yes_or_no(value: float, verdict: Verdict) -> None:
    result = evaluate("boolean", Figure.exact(value, blame=", first in a"), True, most=False)
    assert result.verdict is verdict
    assert result.message == ("yes" if value else "no, first in a")


def test_what_was_not_measured_decides_nothing() -> None:
    result = evaluate("ms", NotMeasured(reason="no time was given"), 3.0, most=True)
    assert (result.verdict, result.passed) == (Verdict.INCONCLUSIVE, False)
    assert (result.value, result.low, result.high) == (None, None, None)
    assert result.message == "not measured: no time was given"


@pytest.mark.parametrize(("limit", "title"), [(1.0, "g 1.0"), (0.25, "g 0.25"), (True, "g")])
def test_a_title_names_the_limit(limit: float | bool, title: str) -> None:
    assert evaluate("", NotMeasured(reason="x"), limit, most=True).title == title


@given(value=NUMBERS, half=st.floats(0, 1e6), limit=NUMBERS, most=st.booleans(), sample=st.integers(1, 10**6))
@example(value=0.0, half=1.0, limit=3e-228, most=True, sample=200)
@example(value=5e-324, half=5e-324, limit=5e-324, most=False, sample=1)
def test_only_a_limit_inside_the_interval_is_undecided(
    value: float, half: float, limit: float, most: bool, sample: int
) -> None:
    figure = sampled(value, half, sample)
    result: GateResult = evaluate("", figure, limit, most=most)
    inside = figure.low <= limit < figure.high if most else figure.low < limit <= figure.high
    assert (result.verdict is Verdict.INCONCLUSIVE) == inside
    mirrored = Figure(value=-value, low=-figure.high, high=-figure.low, sample=sample)
    assert evaluate("", mirrored, -limit, most=not most).verdict is result.verdict


def gates(*verdicts: Verdict) -> Outcome:
    made = [evaluate("", Figure.exact(0), 1.0, most=True, name=f"g{number}") for number in range(len(verdicts))]
    return Outcome([dataclasses.replace(gate, verdict=verdict) for gate, verdict in zip(made, verdicts, strict=True)])


PASSED, FAILED, INCONCLUSIVE = Verdict.PASSED, Verdict.FAILED, Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("outcome", "verdict", "counts", "missed"),
    [
        (gates(), None, "no gates were set", []),
        (gates(PASSED), PASSED, "the gate passed", []),
        (gates(PASSED, PASSED), PASSED, "all 2 gates passed", []),
        (gates(INCONCLUSIVE, PASSED, FAILED), FAILED, "1 of 3 gates failed, 1 inconclusive", ["g2", "g0"]),
        (gates(PASSED, INCONCLUSIVE), INCONCLUSIVE, "1 of 2 gates inconclusive", ["g1"]),
    ],
    ids=["none", "one", "all", "failed", "inconclusive"],
)
def test_all_gates_together(outcome: Outcome, verdict: Verdict | None, counts: str, missed: list[str]) -> None:
    assert (outcome.verdict, outcome.counts) == (verdict, counts)
    assert [gate.name for gate in outcome.not_passed] == missed
