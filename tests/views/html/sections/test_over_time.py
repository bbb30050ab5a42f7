from __future__ import annotations

import dataclasses

from gdfq_export.report.report import AccuracyOverTime, AccuracyPoint, Report
from gdfq_export.views.html import render_page
from gdfq_export.views.html.sections.over_time import over_time_view
from tests.report.reports import make_report


def point(seconds: float, phase: str, error: float, agreement: float | None = None, step: int = 0, kept: bool = False):
    return AccuracyPoint(
        seconds=seconds, phase=phase, step=step, output_error=error, agreement=agreement, kept=kept
    )  # fmt: skip


RUN = (
    point(30, "calibrate", 0.9, 0.25),
    point(60, "tune layers", 0.3, 0.75),
    point(90, "fine-tune", 0.1, 1.0, step=40, kept=True),
    point(120, "fine-tune", 0.2, 0.875, step=80),
)


def report(*points: AccuracyPoint) -> Report:
    return dataclasses.replace(
        make_report(labelled=True), accuracy_over_time=AccuracyOverTime(images=8, points=points)
    )  # fmt: skip


def test_agreement_and_error_are_drawn_over_the_seconds() -> None:
    view = over_time_view(report(*RUN))
    assert view is not None and view.images == 8
    same, error = view.charts
    assert same.figure == "same class as float, %"
    assert [mark.x for mark in error.marks] == [25, 50, 75, 100]
    assert error.words == "0.900 after 30.0\u00a0s, 0.100 in the file"
    assert [mark.kept for mark in error.marks] == [False, False, True, False]
    assert error.marks[2].hint == "0.100, fine-tune, step 40, 1\u00a0min 30\u00a0s, in the file"
    assert error.marks[2].y > error.marks[0].y, "a smaller error is further down"
    assert same.marks[2].y < same.marks[0].y


def test_a_task_without_classes_has_its_error_alone() -> None:
    view = over_time_view(report(point(3, "calibrate", 100.0), point(9, "tune layers", 1.0, kept=True)))
    assert view is not None
    assert [chart.figure for chart in view.charts] == ["error of the outputs"]
    assert view.charts[0].values.logarithmic
    assert view.rows[0] == ("3.0\u00a0s", "calibrate", "", "100", False)


def test_the_page_has_the_chart_only_where_there_was_a_budget() -> None:
    page = render_page(report(*RUN))
    assert "Accuracy over time" in page and "8\u00a0synthetic images that nothing was tuned on" in page
    assert "Accuracy over time" not in render_page(make_report(labelled=True))
    assert over_time_view(make_report(labelled=True)) is None


def test_one_measurement_is_a_mark() -> None:
    assert "Accuracy over time" in render_page(report(point(3, "calibrate", 0.5, 0.5, kept=True)))
