"""The search of a choice of precision, with drafts whose noise and time follow from formulas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from gdfq_export.jobs.precision.choice import Choice
from gdfq_export.jobs.precision.measured_draft import MeasuredDraft, decibels
from gdfq_export.jobs.precision.search import search
from gdfq_export.planning.precision.costs import Costs, Noise, UnitTime
from gdfq_export.planning.precision.goals import Goals
from gdfq_export.planning.precision.programme import Programme
from tests.planning.precision.test_programme import chain

UNITS = 12


def programme() -> Programme:
    """A row of units, the noise of which falls by half from one to the next; float takes 2 ms, integers 1 ms."""
    units = chain(UNITS)
    noise = {key: np.array([0.0]) for key in units.points}
    noise |= {f"w{place}": np.array([0.1 * 0.5**place]) for place in range(UNITS)}
    conversions = {each.tensor: 0.1 for each in units.boundaries}
    return Programme(
        units=units,
        noise=noise,
        costs=Costs(
            units={each.name: UnitTime(integer=1.0, floating=2.0) for each in units.units},
            quantize=conversions,
            dequantize=conversions,
            whole=float(UNITS),
            whole_float=2.0 * UNITS,
        ),
    )


@dataclass
class StandInDrafts:
    """Drafts of which `measured` makes the noise out of the predicted noise; times are as predicted."""

    programme: Programme
    measured: Callable[[Noise], Noise] = lambda noise: noise
    agreement: Callable[[Noise], float | None] = lambda noise: None
    held_out: int = 32
    float_bytes: int = 10_000
    made: list[frozenset[str]] = field(default_factory=list)

    def make(self, floats: frozenset[str]) -> MeasuredDraft:
        if floats not in self.made:
            self.made.append(floats)
        noise = self.measured(self.programme.noise_of(floats))
        return MeasuredDraft(
            floats=floats,
            noise=noise,
            margin_db=np.array([0.5]),
            agreement=self.agreement(noise),
            latency_ratio=self.programme.ratio_of(floats),
            size_ratio=0.25 + self.programme.bytes_of(floats) / self.float_bytes,
        )


def searched(goals: Goals, drafts: StandInDrafts) -> Choice:
    first = drafts.make(frozenset())
    choice = Choice(
        goals=goals,
        drafts=drafts,
        measured=[first],
        make_programme=programme,
        chosen=first,
        scale=np.ones(1),
    )
    choice.set_programme()
    search(choice, first)
    return choice


@pytest.mark.parametrize(
    "measured",
    [
        lambda noise: noise,
        lambda noise: 3.0 * noise,  # everywhere more than the sum of what each does alone
        lambda noise: 30.0 * noise**1.3,
        lambda noise: np.minimum(0.02, noise),  # outputs that are wrong already do not get worse
        lambda noise: np.where(noise > 0.01, 0.1, 1.5) * noise,
    ],
    ids=["as predicted", "three times", "faster than predicted", "saturated", "a jump"],
)
@pytest.mark.parametrize("goal", [20.0, 30.0, 40.0])
def test_the_chosen_draft_keeps_the_goal_and_one_unit_less_does_not(
    measured: Callable[[Noise], Noise], goal: float
) -> None:
    drafts = StandInDrafts(programme(), measured)
    choice = searched(Goals(snr_db=goal), drafts)
    assert choice.reached and choice.chosen.snr_low_db >= goal
    least = next(
        count
        for count in range(UNITS + 1)
        if drafts.make(frozenset(f"u{place}" for place in range(count))).snr_low_db >= goal
    )
    assert len(choice.floats) <= least + 1, (len(choice.floats), least)
    assert len(choice.measured) <= 12


def test_the_goal_is_not_overshot_where_the_first_choice_was_too_careful() -> None:
    drafts = StandInDrafts(programme(), lambda noise: np.where(noise > 0.05, 100.0, 1.0) * noise)
    choice = searched(Goals(snr_db=30.0), drafts)
    assert choice.reached and choice.chosen.snr_low_db < 34
    assert choice.predicted_ratio(choice.floats) == min(
        choice.predicted_ratio(draft.floats) for draft in choice.measured if choice.holds(draft)
    )


def test_where_no_sum_of_errors_tells_everything_is_float() -> None:
    drafts = StandInDrafts(programme(), lambda noise: np.where(noise > 0, 0.5, 0.0))
    choice = searched(Goals(snr_db=30.0), drafts)
    assert choice.reached and choice.floats == programme().everything


def test_a_share_of_equal_classes_is_reached_with_few_float_units() -> None:
    drafts = StandInDrafts(programme(), agreement=lambda noise: 1.0 - float(noise.max()))
    choice = searched(Goals(agreement=0.99), drafts)
    assert choice.reached and len(choice.floats) <= 5  # four are needed


def test_goals_that_exclude_each_other_name_the_units_in_the_way() -> None:
    drafts = StandInDrafts(programme())
    choice = searched(Goals(snr_db=40.0, latency_ratio=0.6), drafts)
    assert not choice.reached and choice.is_cheap(choice.chosen)
    assert decibels(choice.chosen.noise) > decibels(choice.measured[0].noise)
    assert len(choice.in_the_way()) == 2 and not set(choice.in_the_way()) & choice.floats


def test_bytes_are_a_limit() -> None:
    drafts = StandInDrafts(programme())
    choice = searched(Goals(snr_db=60.0, size_ratio=0.25 + 3 * 24 / 10_000), drafts)
    assert not choice.reached and len(choice.floats) == 3


def test_raising_lowers_the_noise_of_the_noisiest_output() -> None:
    choice = searched(Goals(snr_db=20.0), StandInDrafts(programme()))
    before = choice.predicted_noise(choice.floats).max()
    raised = choice.raise_more(0.25)
    assert raised > choice.chosen.floats and choice.raised == raised - choice.chosen.floats
    assert choice.predicted_noise(raised).max() <= 0.25 * before


def test_a_choice_that_keeps_its_goals_is_better_than_a_faster_one_that_does_not() -> None:
    kept = searched(Goals(snr_db=30.0), StandInDrafts(programme()))
    missed = searched(Goals(snr_db=30.0, latency_ratio=0.55), StandInDrafts(programme()))
    assert kept.reached and not missed.reached
    assert kept.better_than(missed) and not missed.better_than(kept)
