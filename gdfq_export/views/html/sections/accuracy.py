"""Accuracy of both networks with intervals, and the paired drop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gdfq_export.report.report import Report
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.tasks.classification.accuracy import Accuracy, TopK
from gdfq_export.views.html.numerals import MINUS, percent, points
from gdfq_export.views.html.scale import Scale, linear_scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Whisker:
    """A value and its interval in per cent of the chart's width; `kind` is float or quantized."""

    name: str
    text: str
    kind: str
    at: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyRow:
    """One of top-1 and top-5 as a row of the table; `reason` where it was not measured."""

    name: str
    float_network: str = ""
    quantized: str = ""
    drop: str = ""
    only_float: int = 0
    only_quantized: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyView:
    """Both charts and the table; `limit` is where the drop's gate lies on its chart, None without one."""

    rows: tuple[AccuracyRow, ...]
    scores: tuple[Whisker, ...]
    scores_scale: Scale
    drops: tuple[Whisker, ...]
    drops_scale: Scale
    limit: float | None


def accuracy_view(report: Report) -> AccuracyView | None:
    """None where no labelled images were scored."""
    accuracy = report.accuracy
    if isinstance(accuracy, NotMeasured):
        return None
    measured = [(name, top) for name, top in _tops(accuracy) if not isinstance(top, NotMeasured)]
    ends = [end for _, top in measured for end in (top.float_network, top.quantized)]
    scores = linear_scale(100 * min(end.low for end in ends), 100 * max(end.high for end in ends), most=4)
    bound = _largest_drop(report)
    reach = [0.0] if bound is None else [0.0, bound]
    lows, highs = [top.drop_low_pp for _, top in measured], [top.drop_high_pp for _, top in measured]
    drops = linear_scale(min(*lows, *reach), max(*highs, *reach), most=4)
    return AccuracyView(
        rows=tuple(_row(name, top) for name, top in _tops(accuracy)),
        scores=tuple(_scores(measured, scores)),
        scores_scale=scores,
        drops=tuple(_drop(name, top, drops) for name, top in measured),
        drops_scale=drops,
        limit=None if bound is None else drops.at(bound),
    )


def _largest_drop(report: Report) -> float | None:
    """The limit of the gate on the top-1 drop, in percentage points."""
    limit = next((gate.limit for gate in report.gates if gate.name == "max-top1-drop-pp"), None)
    return float(limit) if isinstance(limit, (int, float)) and not isinstance(limit, bool) else None


def _drop(name: str, top: TopK, scale: Scale) -> Whisker:
    return Whisker(
        name=name,
        text=points(top.drop_pp),
        kind="quantized",
        at=scale.at(top.drop_pp),
        low=scale.at(top.drop_low_pp),
        high=scale.at(top.drop_high_pp),
    )


def _tops(accuracy: Accuracy) -> tuple[tuple[str, TopK | NotMeasured], ...]:
    return ("top-1", accuracy.top1), ("top-5", accuracy.top5)


def _scores(measured: list[tuple[str, TopK]], scale: Scale) -> Iterator[Whisker]:
    for name, top in measured:
        for kind, score in (("float", top.float_network), ("quantized", top.quantized)):
            yield Whisker(
                name=f"{name} {kind}",
                text=percent(score.value),
                kind=kind,
                at=scale.at(100 * score.value),
                low=scale.at(100 * score.low),
                high=scale.at(100 * score.high),
            )


def _row(name: str, top: TopK | NotMeasured) -> AccuracyRow:
    if isinstance(top, NotMeasured):
        return AccuracyRow(name=name, reason=top.reason)
    scores = [
        f"{percent(score.value)} [{100 * score.low:.2f}, {100 * score.high:.2f}]"
        for score in (top.float_network, top.quantized)
    ]
    return AccuracyRow(
        name=name,
        float_network=scores[0],
        quantized=scores[1],
        drop=f"{points(top.drop_pp)} [{top.drop_low_pp:+.2f}, {top.drop_high_pp:+.2f}]".replace("-", MINUS),
        only_float=top.only_float_right,
        only_quantized=top.only_quantized_right,
    )
