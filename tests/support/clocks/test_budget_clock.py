"""A budget's clock counts from where it is told, keeps what is reserved, and gives shares of the rest."""

from __future__ import annotations

from gdfq_export.support.clocks.budget_clock import BudgetClock


class Clock:
    """Moves only when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_shares_are_of_what_is_left_when_a_step_begins() -> None:
    now = Clock()
    budget = BudgetClock(600, now)
    budget.reserve(60)
    assert (budget.share(), budget.share(0.5)) == (540, 270)
    now.now += 240
    assert (budget.spent, budget.left, budget.share(0.5)) == (240, 360, 150)
    budget.reserve(10)
    assert budget.share() == 350, "a reserve replaces the one before it"


def test_nothing_is_left_to_share_when_only_the_reserve_is() -> None:
    now = Clock()
    budget = BudgetClock(100, now)
    budget.reserve(30)
    now.now += 80
    assert (budget.left, budget.share()) == (20, 0)
    now.now += 40
    assert (budget.left, budget.share(0.3)) == (-20, 0)


def test_a_run_that_began_earlier_has_less_left() -> None:
    assert BudgetClock(100, Clock(), started=60.0).left == 60
