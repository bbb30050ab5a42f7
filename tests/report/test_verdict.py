"""A figure against a limit: what an interval decides, and what is said where it does not."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gdfq_export.report.verdict import Figure, GateResult, Verdict, hold
from gdfq_export.support.not_measured import NotMeasured

NUMBERS = st.floats(-1e6, 1e6)


def sampled(value: float, half: float, sample: int | None = 600) -> Figure:
    return Figure(value=value, low=value - half, high=value + half, sample=sample, on=" on x", blame="; by y")


@pytest.mark.parametrize(
    ("value", "half", "most", "verdict"),
    [
        (0.5, 0.4, True, Verdict.PASSED),
        (0.5, 0.5, True, Verdict.PASSED),
        (0.9, 0.2, True, Verdict.UNDECIDED),
        (1.5, 0.6, True, Verdict.UNDECIDED),
        (1.5, 0.4, True, Verdict.FAILED),
        (1.5, 0.4, False, Verdict.PASSED),
        (1.1, 0.2, False, Verdict.UNDECIDED),
        (0.5, 0.4, False, Verdict.FAILED),
    ],
)
def test_the_whole_interval_must_hold_the_limit(value: float, half: float, most: bool, verdict: Verdict) -> None:
    result = hold("g", "pp", sampled(value, half), 1.0, most=most)
    assert (result.verdict, result.passed) == (verdict, verdict is Verdict.PASSED)
    assert (result.value, result.low, result.high) == (value, value - half, value + half)
    assert result.message.endswith("; by y") == (verdict is Verdict.FAILED)
    assert f"the limit is {'at most' if most else 'at least'} +1 pp" in result.message


def test_it_says_how_many_images_would_decide() -> None:
    result = hold("g", "pp", sampled(0.5, 1.0), 1.0, most=True)
    said = "not decidable with 600 images; about 2,400 would decide if the figure stays"
    assert result.message == f"+0.5 pp [-0.5 pp, +1.5 pp] on x; the limit is at most +1 pp: {said}"


def test_one_image_is_one() -> None:
    figure = Figure(value=0.5, low=-0.5, high=1.5, sample=1)
    assert "not decidable with 1 image;" in hold("g", "pp", figure, 1.0, most=True).message


@pytest.mark.parametrize("gap", [0.0, 1e-9, 1e-300])
def test_no_number_of_images_decides_a_figure_on_its_limit(gap: float) -> None:
    result = hold("g", "", sampled(0.0, 1.0), gap, most=True)
    assert result.verdict is Verdict.UNDECIDED
    assert result.message.endswith("the figure lies on the limit, choose another")


def test_an_exact_figure_is_always_decided() -> None:
    exact = Figure(value=1.0, low=1.0, high=1.0, blame="; by y")
    assert hold("g", "", exact, 1.0, most=True).passed and hold("g", "", exact, 1.0, most=False).passed
    assert hold("g", "dB", exact, 2.0, most=False).message == "1 dB; the limit is at least 2 dB; by y"


@pytest.mark.parametrize(("value", "verdict"), [(1.0, Verdict.PASSED), (0.0, Verdict.FAILED)], ids=["yes", "no"])
def test_what_is_required_is_yes_or_no(value: float, verdict: Verdict) -> None:
    result = hold(
        "require-x", "yes", Figure(value=value, low=value, high=value, blame=", first in a"), True, most=False
    )
    assert result.verdict is verdict
    assert result.message == ("yes" if value else "no, first in a")


def test_what_was_not_measured_decides_nothing() -> None:
    result = hold("g", "ms", NotMeasured(reason="no time was given"), 3.0, most=True)
    assert (result.verdict, result.passed) == (Verdict.UNDECIDED, False)
    assert (result.value, result.low, result.high) == (None, None, None)
    assert result.message == "not measured: no time was given"


@pytest.mark.parametrize(("limit", "title"), [(1.0, "g 1.0"), (0.25, "g 0.25"), (True, "g")])
def test_a_title_names_the_limit(limit: float | bool, title: str) -> None:
    assert hold("g", "", NotMeasured(reason="x"), limit, most=True).title == title


@given(value=NUMBERS, half=st.floats(0, 1e6), limit=NUMBERS, most=st.booleans(), sample=st.integers(1, 10**6))
@example(value=0.0, half=1.0, limit=3e-228, most=True, sample=200)
@example(value=5e-324, half=5e-324, limit=5e-324, most=False, sample=1)
def test_only_a_limit_inside_the_interval_is_undecided(
    value: float, half: float, limit: float, most: bool, sample: int
) -> None:
    figure = sampled(value, half, sample)
    result: GateResult = hold("g", "", figure, limit, most=most)
    inside = figure.low <= limit < figure.high if most else figure.low < limit <= figure.high
    assert (result.verdict is Verdict.UNDECIDED) == inside
    mirrored = Figure(value=-value, low=-figure.high, high=-figure.low, sample=sample)
    assert hold("g", "", mirrored, -limit, most=not most).verdict is result.verdict
