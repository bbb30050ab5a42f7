from __future__ import annotations

import pytest

from gdfq_export.support.clocks import step_clock
from gdfq_export.support.clocks.step_clock import StepClock


def test_the_first_step_warms_up_and_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([0.0, 9.0, 10.0, 13.0, 15.0])
    monkeypatch.setattr(step_clock, "seconds_now", lambda: next(ticks))
    clock = StepClock()
    for step in range(4):
        clock(step + 1, 4)
    assert clock.seconds == [9.0, 1.0, 3.0, 2.0]
    assert (clock.shortest, clock.median) == (1.0, 2.0)


def test_a_step_below_the_clocks_resolution_still_takes_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_clock, "seconds_now", lambda: 5.0)
    clock = StepClock()
    clock(1, 2)
    clock(2, 2)
    assert clock.shortest > 0
