"""A history holds what was measured and when, shows it, and marks the state that the file has."""

from __future__ import annotations

from gdfq_export.support.clocks.budget_clock import BudgetClock
from gdfq_export.support.progress import SilentProgress
from gdfq_export.tuning.held_out import HeldOutFigures
from gdfq_export.tuning.history import TuningHistory
from tests.tuning.residual_network import images, simulator


class Notes(SilentProgress):
    """Keeps the lines that are shown."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


def figures(error: float, agreement: float | None = None) -> HeldOutFigures:
    return HeldOutFigures(error=error, agreement=agreement)


def history(seconds: list[float]) -> tuple[TuningHistory, Notes]:
    """A history whose clock shows one of the seconds after the other."""
    shown, network = Notes(), simulator(3)
    clock = BudgetClock(600, iter(seconds).__next__, started=0.0)
    return TuningHistory(clock, images(8), reference=network.float_copy(), progress=shown), shown


def test_each_point_has_its_time_and_is_one_line() -> None:
    found, shown = history([41.2, 50.0, 61.0])
    found.add("tune layers", 0, figures(0.5, 0.875))
    found.checkpoint(8, figures(0.25))
    assert found.measure("calibrate", simulator(3)) == found.points[2].figures.error > 0
    assert [(point.seconds, point.phase, point.step) for point in found.points] == [
        (41.2, "tune layers", 0),
        (50.0, "fine-tune", 8),
        (61.0, "calibrate", 0),
    ]
    assert shown.lines[:2] == [
        "41 of 600 s, tune layers: error of the outputs 0.5, same class as float 87.5 % (8 held-out images)",
        "50 of 600 s, fine-tune, step 8: error of the outputs 0.25 (8 held-out images)",
    ]


def test_one_point_is_marked_as_the_files() -> None:
    found, _ = history([1.0, 2.0, 3.0])
    found.add("tune layers", 0, figures(0.5))
    found.checkpoint(8, figures(0.25))
    found.checkpoint(16, figures(0.3))
    found.keep("tune layers")
    found.keep("fine-tune", 8)
    assert [point.kept for point in found.points] == [False, True, False]


def test_an_error_that_is_no_number_is_no_point() -> None:
    found, shown = history([])
    found.add("calibrate", 0, figures(float("nan")))
    assert found.points == [] and shown.lines == []


def test_time_is_up_when_only_what_is_reserved_is_left() -> None:
    now = [0.0]
    clock = BudgetClock(100, lambda: now[0])
    clock.reserve(30)
    network = simulator(3)
    found = TuningHistory(clock, images(8), reference=network.float_copy(), progress=SilentProgress())
    assert not found.time_is_up()
    now[0] = 70.0
    assert found.time_is_up()
