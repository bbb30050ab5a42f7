"""Accuracy over time of a run with a budget: figures on held-out images against the seconds since it began."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gdfq_export.report.report import AccuracyPoint, Report
from gdfq_export.views.html.numerals import percent, seconds, significant
from gdfq_export.views.html.outline import line
from gdfq_export.views.html.scale import Scale, linear_scale, log_scale

_WIDE = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeMark:
    """One measurement in per cent of the chart, from the left and from the top."""

    x: float
    y: float
    hint: str
    kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeChart:
    """One figure over time; `words` tell the first value and that of the file."""

    figure: str
    path: str
    times: Scale
    values: Scale
    marks: tuple[TimeMark, ...]
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OverTime:
    """Both charts, and the points as rows of text: time, phase, agreement, error, whether the file has the state."""

    images: int
    charts: tuple[TimeChart, ...]
    rows: tuple[tuple[str, str, str, str, bool], ...]


def over_time_view(report: Report) -> OverTime | None:
    """The charts of a run with a budget; None for every other."""
    found = report.accuracy_over_time
    if found is None or not found.points:
        return None
    points = found.points
    errors = [point.output_error for point in points]
    low, high = min(errors), max(errors)
    scale = log_scale(low, high) if low > 0 and high > _WIDE * low else linear_scale(low, high, most=4)
    charts = [_chart("error of the outputs", points, errors, [significant(each) for each in errors], scale)]
    shares = [point.agreement for point in points if point.agreement is not None]
    if len(shares) == len(points):
        per_cent = linear_scale(min(99.0, 100 * min(shares)), 100.0, most=4)
        charts.insert(
            0,
            _chart(
                "same class as float, %", points, [100 * share for share in shares], [*map(percent, shares)], per_cent
            ),
        )
    rows = tuple(
        (
            seconds(point.seconds),
            _moment(point),
            "" if point.agreement is None else percent(point.agreement),
            significant(point.output_error),
            point.kept,
        )
        for point in points
    )
    return OverTime(images=found.images, charts=tuple(charts), rows=rows)


def _chart(
    figure: str, points: Sequence[AccuracyPoint], values: Sequence[float], texts: Sequence[str], scale: Scale
) -> TimeChart:
    times = linear_scale(0.0, max(point.seconds for point in points), most=4, widen=False)
    marks = tuple(
        TimeMark(
            x=times.at(point.seconds),
            y=scale.down(value),
            hint=f"{text}, {_moment(point)}, {seconds(point.seconds)}{', in the file' if point.kept else ''}",
            kept=point.kept,
        )
        for point, value, text in zip(points, values, texts, strict=True)
    )
    kept = next((place for place, point in enumerate(points) if point.kept), len(points) - 1)
    return TimeChart(
        figure=figure,
        path=line((mark.x, mark.y) for mark in marks),
        times=times,
        values=scale,
        marks=marks,
        words=f"{texts[0]} after {seconds(points[0].seconds)}, {texts[kept]} in the file",
    )


def _moment(point: AccuracyPoint) -> str:
    """`calibrate`, or `fine-tune, step 40`."""
    return f"{point.phase}, step {point.step:,}" if point.step else point.phase
