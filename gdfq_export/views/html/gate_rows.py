"""Gates as rows of a table, each with a chart of its value, interval and limit."""

from __future__ import annotations

from dataclasses import dataclass

from gdfq_export.gates import GATES
from gdfq_export.report.report import Report
from gdfq_export.report.verdict import GateResult, Verdict
from gdfq_export.views.html.numerals import points, significant
from gdfq_export.views.html.scale import linear_scale

_WORST_FIRST = (Verdict.FAILED, Verdict.INCONCLUSIVE, Verdict.PASSED)
_DIRECTION = {gate.name: gate.most for gate in GATES}


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePicture:
    """The value, its interval, the limit and the range outside it, in per cent of the chart's width."""

    value: float
    low: float
    high: float
    limit: float
    outside_from: float
    outside_to: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRow:
    """One gate; `picture` is None where there is no number to plot."""

    name: str
    verdict: str
    limit: str
    value: str
    interval: str
    message: str
    picture: GatePicture | None


def gate_rows(report: Report) -> tuple[GateRow, ...]:
    """Every gate: failed ones first, then inconclusive ones, then passed ones."""
    return tuple(_row(gate) for gate in sorted(report.gates, key=lambda gate: _WORST_FIRST.index(gate.verdict)))


def tone_of(report: Report, *names: str) -> str:
    """The worst verdict among gates of these names; "" where none was set."""
    found = {gate.verdict for gate in report.gates if gate.name in names}
    return next((str(verdict) for verdict in _WORST_FIRST if verdict in found), "")


def _row(gate: GateResult) -> GateRow:
    return GateRow(
        name=gate.name,
        verdict=str(gate.verdict),
        limit=_limit(gate),
        value=_value(gate),
        interval=_interval(gate),
        message=gate.message,
        picture=_picture(gate),
    )


def _limit(gate: GateResult) -> str:
    if isinstance(gate.limit, str):
        return gate.limit
    if gate.limit is True:
        return "required"
    bound = _number(float(gate.limit), gate.unit)
    most = _most(gate)
    return bound if most is None else f"{'at most' if most else 'at least'} {bound}"


def _value(gate: GateResult) -> str:
    if gate.value is None:
        return "not measured"
    if gate.unit == "boolean":
        return "yes" if gate.value else "no"
    return _number(gate.value, gate.unit)


def _interval(gate: GateResult) -> str:
    if gate.low is None or gate.high is None or gate.low == gate.high:
        return ""
    return f"[{_number(gate.low, gate.unit)}, {_number(gate.high, gate.unit)}]"


def _picture(gate: GateResult) -> GatePicture | None:
    if gate.value is None or gate.unit == "boolean" or isinstance(gate.limit, (bool, str)):
        return None
    low = gate.value if gate.low is None else gate.low
    high = gate.value if gate.high is None else gate.high
    ends = [low, high, float(gate.limit)]
    room = 0.2 * (max(ends) - min(ends)) or 1.0
    scale = linear_scale(min(ends) - room, max(ends) + room, widen=False)
    limit, most = scale.at(float(gate.limit)), _most(gate)
    return GatePicture(
        value=scale.at(gate.value),
        low=scale.at(low),
        high=scale.at(high),
        limit=limit,
        outside_from=limit if most is not False else 0.0,
        outside_to=limit if most is None else 100.0 if most else limit,
    )


def _most(gate: GateResult) -> bool | None:
    """Whether the limit is an upper one; by its name where the gate is not of the table."""
    by_name = True if gate.name.startswith("max-") else False if gate.name.startswith("min-") else None
    return _DIRECTION.get(gate.name, by_name)


def _number(value: float, unit: str) -> str:
    if unit == "pp":
        return points(value)
    text = significant(value, 4)
    if "." in text and "e" not in text:
        text = text.rstrip("0").rstrip(".")
    return f"{text}\u00a0{unit}" if unit else text
