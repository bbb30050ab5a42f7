"""Training curves: one small chart per metric, grouped by phase."""

from __future__ import annotations

from dataclasses import dataclass

from gdfq_export.report.report import Curve, Report
from gdfq_export.views.html.numerals import significant
from gdfq_export.views.html.outline import line
from gdfq_export.views.html.scale import Scale, linear_scale, log_scale

_WIDE = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePicture:
    """One metric over the steps of its phase."""

    figure: str
    path: str
    steps: Scale
    values: Scale
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvesOfPhase:
    """All metrics of one phase."""

    phase: str
    curves: tuple[CurvePicture, ...]


def curves_by_phase(report: Report) -> tuple[CurvesOfPhase, ...]:
    """Phases in the order they ran; a curve of fewer than two points is none."""
    phases: dict[str, list[CurvePicture]] = {}
    for curve in report.curves:
        if len(curve.steps) > 1:
            phases.setdefault(curve.phase, []).append(_picture(curve))
    return tuple(CurvesOfPhase(phase=phase, curves=tuple(curves)) for phase, curves in phases.items())


def _picture(curve: Curve) -> CurvePicture:
    low, high = min(curve.values), max(curve.values)
    values = log_scale(low, high) if low > 0 and high > _WIDE * low else linear_scale(low, high, most=4)
    steps = linear_scale(min(curve.steps), max(curve.steps), most=4, widen=False)
    points = zip(curve.steps, curve.values, strict=True)
    return CurvePicture(
        figure=curve.metric.replace("_", " "),
        path=line((steps.at(step), values.down(value)) for step, value in points),
        steps=steps,
        values=values,
        words=f"from {significant(curve.values[0])} to {significant(curve.values[-1])} in {curve.total_steps:,} steps",
    )
