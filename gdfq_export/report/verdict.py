"""Gate results: a figure compared with its limit, and all gates of a report together.

A figure measured on a sample, of images or of timing rounds, is compared with its 95 % interval. Where the limit lies
inside the interval the gate is inconclusive, and its message says about how large a sample would decide. A figure that
was not measured is inconclusive too. Only `passed` counts as passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, inf

from gdfq_export.gates import Gate
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.text import counted

_LARGEST_SAMPLE = 10_000_000


class Verdict(StrEnum):
    """The result of one gate, or of all gates together."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """One gate: the figure with its 95 % interval where it has one, in `unit`; `limit` is as the user gave it.

    `message` is one sentence: the figure, its sample and, unless the gate passed, the cause or the sample needed.
    """

    name: str
    limit: float | bool | str
    unit: str
    value: float | None
    low: float | None
    high: float | None
    verdict: Verdict
    message: str

    @property
    def title(self) -> str:
        """The gate with its limit: `max-top1-drop-pp 1.0`, `require-parity`."""
        return self.name if self.limit is True else f"{self.name} {self.limit}"

    @property
    def passed(self) -> bool:
        """Whether the limit holds for the whole interval."""
        return self.verdict is Verdict.PASSED


@dataclass(frozen=True, slots=True)
class Outcome:
    """All gates of a report together."""

    gates: Sequence[GateResult]

    @property
    def verdict(self) -> Verdict | None:
        """Failed if one gate failed, else inconclusive if one is, else passed; None without gates."""
        found = {gate.verdict for gate in self.gates}
        return next((each for each in (Verdict.FAILED, Verdict.INCONCLUSIVE, Verdict.PASSED) if each in found), None)

    @property
    def not_passed(self) -> tuple[GateResult, ...]:
        """Failed gates, then inconclusive ones."""
        order = {Verdict.FAILED: 0, Verdict.INCONCLUSIVE: 1}
        missed = [gate for gate in self.gates if not gate.passed]
        return tuple(sorted(missed, key=lambda gate: order[gate.verdict]))

    @property
    def counts(self) -> str:
        """How many gates came to which verdict: `1 of 4 gates failed, 1 inconclusive`, `all 4 gates passed`."""
        if not self.gates:
            return "no gates were set"
        verdicts = [gate.verdict for gate in self.not_passed]
        if not verdicts:
            return "the gate passed" if len(self.gates) == 1 else f"all {counted(len(self.gates), 'gate')} passed"
        total, first = counted(len(self.gates), "gate"), verdicts.count(verdicts[0])
        rest = len(verdicts) - first
        return f"{first} of {total} {verdicts[0]}{f', {rest} inconclusive' if rest else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A measured figure with its interval `low` to `high`; `on` describes the sample, `blame` the cause of a miss.

    `sample` is the number of `each` (image, round) that the interval comes from, None for an exact figure.
    """

    value: float
    low: float
    high: float
    sample: int | None = None
    each: str = "image"
    on: str = ""
    blame: str = ""

    @classmethod
    def exact(cls, value: float, on: str = "", blame: str = "") -> Figure:
        """A figure without an interval."""
        return cls(value=value, low=value, high=value, on=on, blame=blame)


def evaluate_gate(gate: Gate, figure: Figure | NotMeasured, limit: float | bool) -> GateResult:
    """Compare a figure with a limit in the gate's unit; a limit of True requires a boolean figure to be 1."""
    if isinstance(figure, NotMeasured):
        return _result(gate, limit, None, Verdict.INCONCLUSIVE, f"not measured: {figure.reason}")
    bound, unit = 1.0 if limit is True else float(limit), gate.unit
    inner, outer = (figure.low, figure.high) if gate.most else (-figure.high, -figure.low)
    line = bound if gate.most else -bound
    message = f"{_shown(figure, unit)}{figure.on}"
    if limit is not True:
        message += f"; the limit is {'at most' if gate.most else 'at least'} {_number(bound, unit)}"
    if outer <= line:
        return _result(gate, limit, figure, Verdict.PASSED, message)
    if inner > line or figure.sample is None:
        return _result(gate, limit, figure, Verdict.FAILED, f"{message}{figure.blame}")
    return _result(gate, limit, figure, Verdict.INCONCLUSIVE, f"{message}: {_needed_sample(figure, bound)}")


def _needed_sample(figure: Figure, limit: float) -> str:
    assert figure.sample is not None
    gap, half = abs(figure.value - limit), (figure.high - figure.low) / 2
    needed = inf if gap <= half / _LARGEST_SAMPLE else figure.sample * max(1.0, (half / gap) ** 2)
    with_sample = f"inconclusive with {counted(figure.sample, figure.each)}"
    if needed > _LARGEST_SAMPLE:
        return f"{with_sample}; the figure equals the limit, choose another limit"
    return f"{with_sample}; about {ceil(needed / 100) * 100:,} would decide if the figure stays the same"


def _result(gate: Gate, limit: float | bool, figure: Figure | None, verdict: Verdict, message: str) -> GateResult:
    return GateResult(
        name=gate.name,
        limit=limit,
        unit=gate.unit,
        value=None if figure is None else figure.value,
        low=None if figure is None else figure.low,
        high=None if figure is None else figure.high,
        verdict=verdict,
        message=message,
    )


def _shown(figure: Figure, unit: str) -> str:
    if unit == "boolean":
        return "yes" if figure.value else "no"
    interval = ""
    if figure.low != figure.high:
        interval = f" [{_number(figure.low, unit)}, {_number(figure.high, unit)}]"
    return f"{_number(figure.value, unit)}{interval}"


def _number(value: float, unit: str) -> str:
    sign = "+" if unit == "pp" else ""
    return f"{value:{sign}.4g}{f' {unit}' if unit not in ('', 'boolean') else ''}"
