"""Repair of a gate that fails on the tuned file, with tuned files whose noise follows from a formula."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gdfq_export.jobs.precision.choice import Choice
from gdfq_export.jobs.precision.repair import repaired
from gdfq_export.jobs.result import Result
from gdfq_export.planning.precision.goals import Goals
from gdfq_export.report.verdict import GateResult, Verdict
from tests.jobs.precision.test_search import StandInDrafts, programme, searched
from tests.report.reports import make_report

GOAL = 30.0


class Tuning:
    """A run whose tuned file has `worse_db` less than its draft; counts how often it is tuned again."""

    def __init__(self, choice: Choice, worse_db: float) -> None:
        self.choice, self.worse_db = choice, worse_db
        self.tuned: list[frozenset[str]] = []

    def result(self, floats: frozenset[str]) -> Result:
        snr = self.choice.drafts.make(floats).snr_low_db - self.worse_db
        gate = GateResult(
            name="min-output-snr-db",
            limit=GOAL,
            verdict=Verdict.PASSED if snr >= GOAL else Verdict.FAILED,
            message=f"{snr:.1f} dB",
            unit="dB",
            value=snr,
            low=snr,
            high=snr,
        )
        report = dataclasses.replace(make_report(labelled=False), gates=(gate,))
        tuned = SimpleNamespace(precision=SimpleNamespace(choice=self.choice))
        return cast(Result, _Result(report=report, tuned=tuned))

    def again(self, chosen: Any, floats: frozenset[str], attempt: int) -> Result:
        assert chosen.choice is self.choice and attempt == len(self.tuned) + 1
        self.tuned.append(floats)
        return self.result(floats)

    def repaired(self, time_left: Callable[[], bool] = lambda: True) -> Result:
        return repaired(self.result(self.choice.floats), self.again, time_left)


@dataclasses.dataclass(frozen=True)
class _Result:
    report: Any
    tuned: Any


def choice(**goals: float) -> Choice:
    return searched(Goals(snr_db=GOAL, **goals), StandInDrafts(programme()))


@pytest.mark.parametrize("worse_db", [3.0, 10.0, 25.0])
def test_units_are_raised_until_the_gate_holds(worse_db: float) -> None:
    tuning = Tuning(choice(), worse_db)
    before = tuning.choice.floats
    result = tuning.repaired()
    assert result.report.passed and result.report.precision is not None and result.report.precision.reached
    assert tuning.tuned and all(each > before for each in tuning.tuned)
    assert set(result.report.precision.raised) == tuning.choice.floats - before
    assert len(tuning.tuned) <= 4


def test_a_gate_that_holds_leaves_the_file_alone() -> None:
    tuning = Tuning(choice(), 0.0)
    result = tuning.repaired()
    assert result.report.passed and not tuning.tuned and not tuning.choice.raised


def test_nothing_is_tuned_again_where_no_time_is_left() -> None:
    tuning = Tuning(choice(), 10.0)
    result = tuning.repaired(lambda: False)
    assert not tuning.tuned and not result.report.passed
    assert result.report.precision is not None and not result.report.precision.reached


def test_a_limit_on_latency_is_kept() -> None:
    loose = choice()
    limit = loose.predicted_ratio(loose.floats) + 0.005
    tuning = Tuning(choice(latency_ratio=limit), 20.0)
    result = tuning.repaired()
    assert not result.report.passed
    assert all(tuning.choice.predicted_ratio(floats) <= limit for floats in tuning.tuned)
    assert tuning.choice.predicted_ratio(tuning.choice.floats) <= limit


def test_goals_out_of_reach_are_named_with_the_layers_in_the_way() -> None:
    tuning = Tuning(choice(latency_ratio=0.51), 0.0)
    result = tuning.repaired()
    (warning,) = [each for each in result.report.warnings if "cannot be reached together" in each]
    assert all(layer in warning for layer in tuning.choice.in_the_way())
