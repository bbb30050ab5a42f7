"""The choice of `bits.precision`: SNR against latency of predicted and measured choices, and why for each layer."""

from __future__ import annotations

from dataclasses import dataclass

from gdfq_export.report.precision_choice import FrontierPoint, PrecisionFacts
from gdfq_export.report.report import Report
from gdfq_export.tasks.output_comparison import MOST_DB
from gdfq_export.views.html.outline import line
from gdfq_export.views.html.scale import Scale, linear_scale


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionMark:
    """One measured draft in per cent of the chart, from the left and from the top."""

    x: float
    y: float
    hint: str
    chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionView:
    """The chart, `words` for those who do not see it, and the points as rows of text."""

    facts: PrecisionFacts
    times: Scale
    decibels: Scale
    path: str
    marks: tuple[PrecisionMark, ...]
    words: str
    rows: tuple[tuple[str, str, str, str, str], ...]


def precision_view(report: Report) -> PrecisionView | None:
    """The choice of a run that made one; None for every other."""
    facts = report.precision
    if facts is None:
        return None
    shown = [(point, ratio) for point in facts.frontier if (ratio := _place(point)) is not None]
    ratios = [ratio for _, ratio in shown] or [1.0]
    levels = [point.snr_db for point, _ in shown] or [0.0]
    times, decibels = (linear_scale(min(values), max(values), most=4) for values in (ratios, levels))
    predicted = [(times.at(ratio), decibels.down(point.snr_db)) for point, ratio in shown if not point.measured]
    marks = tuple(_mark(point, ratio, times, decibels) for point, ratio in shown if point.measured)
    return PrecisionView(
        facts=facts,
        times=times,
        decibels=decibels,
        path=line(predicted) if len(predicted) > 1 else "",
        marks=marks,
        words=f"the chosen draft has {', '.join(_row(_chosen(facts))[1:])}",
        rows=tuple(map(_row, facts.frontier)),
    )


def _chosen(facts: PrecisionFacts) -> FrontierPoint:
    return next((point for point in facts.frontier if point.chosen), facts.frontier[0])


def _place(point: FrontierPoint) -> float | None:
    """The latency at which a point is drawn; None where it has no place on the axes."""
    return None if point.snr_db >= MOST_DB else point.latency_ratio


def _mark(point: FrontierPoint, ratio: float, times: Scale, decibels: Scale) -> PrecisionMark:
    return PrecisionMark(
        x=times.at(ratio), y=decibels.down(point.snr_db), hint=", ".join(_row(point)), chosen=point.chosen
    )


def _row(point: FrontierPoint) -> tuple[str, str, str, str, str]:
    kind = "chosen draft" if point.chosen else "measured draft" if point.measured else "predicted"
    ratio = "latency not measured" if point.latency_ratio is None else f"{point.latency_ratio:.3f} x float's latency"
    if point.predicted_latency_ratio is not None and point.latency_ratio is not None:
        ratio += f" (predicted: {point.predicted_latency_ratio:.3f})"
    snr = "no noise" if point.snr_db >= MOST_DB else f"{point.snr_db:.1f} dB"
    return kind, snr, ratio, f"{point.size_ratio:.3f} x float's bytes", f"{point.float_layers} float layers"
