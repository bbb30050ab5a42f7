"""Clocks wait for a device that is in use before they are read, and for none that is not."""

from __future__ import annotations

import pytest
import torch

from gdfq_export.support.clocks import device_clock
from gdfq_export.support.clocks.budget_clock import BudgetClock
from gdfq_export.support.clocks.step_clock import StepClock
from gdfq_export.support.progress import SilentProgress


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked of a device that is in use."""
    asked: list[str] = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.accelerator, "synchronize", lambda: asked.append("wait"))
    return asked


def test_every_reading_waits_for_the_device_first(waits: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("monotonic", "perf_counter"):
        monkeypatch.setattr(device_clock.time, name, lambda: float(len(waits)))
    assert (device_clock.monotonic(), device_clock.seconds_now()) == (1.0, 2.0)


def test_budget_phases_and_steps_wait(waits: list[str]) -> None:
    clock = BudgetClock(10)
    assert clock.left < 10 and len(waits) == 2
    step = StepClock()
    step(1, 2)
    assert len(waits) == 4
    with SilentProgress().phase("tune layers") as phase:
        phase(1, 2)
    assert len(waits) == 6


def test_nothing_is_waited_for_where_no_device_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    monkeypatch.setattr(torch.accelerator, "synchronize", lambda: pytest.fail("waited"))
    assert BudgetClock(10).left <= 10
