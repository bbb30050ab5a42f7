"""The figures of a task, and the error of each output, as rows of tables."""

from __future__ import annotations

from dataclasses import dataclass

from gdfq_export.report.figure_text import shown, shown_interval
from gdfq_export.report.report import Report
from gdfq_export.tasks.figures import OutputError, TaskFigure
from gdfq_export.views.html.numerals import MINUS, significant


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureRow:
    """One figure of the task; `interval` is empty for an exact one."""

    name: str
    value: str
    interval: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputRow:
    """One output; `constant` says whether float gives the same for all images."""

    name: str
    shape: str
    snr: str
    cosine: str
    largest: str
    constant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputsView:
    """Both tables."""

    figures: tuple[FigureRow, ...]
    outputs: tuple[OutputRow, ...]


def outputs_view(report: Report) -> OutputsView | None:
    """None in a report of an older version."""
    if report.task is None:
        return None
    return OutputsView(
        figures=tuple(map(_figure, report.task.figures)), outputs=tuple(map(_output, report.task.outputs))
    )


def _figure(figure: TaskFigure) -> FigureRow:
    interval = shown_interval(figure).removesuffix(" at 95 %").replace("-", MINUS)
    value = shown(figure.value, figure.unit).replace("-", MINUS)
    return FigureRow(name=figure.title, value=value, interval=interval, note=figure.note)


def _output(error: OutputError) -> OutputRow:
    return OutputRow(
        name=error.output,
        shape=" x ".join(map(str, error.shape)) or "1",
        snr=f"{error.snr_db:.2f} [{error.snr_low_db:.2f}, {error.snr_high_db:.2f}]".replace("-", MINUS),
        cosine=f"{error.cosine:.5f}".replace("-", MINUS),
        largest=significant(error.max_abs_error),
        constant="constant" if error.constant else "",
    )
