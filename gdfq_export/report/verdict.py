"""A figure held against a limit: passed, failed, or not decidable.

A figure that comes from a sample, of images or of rounds of timing, is held against its limit with its 95 % interval.
Where the limit lies inside the interval the sample does not decide, and the verdict says so, with about how many would,
instead of guessing. A figure that was not measured decides nothing either; both count as not passed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import ceil, inf

from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.text import counted

__all__ = ["Figure", "GateResult", "Verdict", "hold"]

_MOST_WORTH_ASKING = 10_000_000


class Verdict(StrEnum):
    """What a gate came to."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "not decidable"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """One gate: the figure with its 95 % interval where it has one, in `unit`; `limit` is as the user gave it.

    `message` is one sentence: what was found and, where it did not pass, what is to blame or what would decide.
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
        """Whether it holds for sure."""
        return self.verdict is Verdict.PASSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A measured figure; `low` and `high` are its interval, `on` says of what it is, `blame` why it misses a limit.

    `sample` is the number of `each` (image, round) that give it its interval, None where it is exact.
    """

    value: float
    low: float
    high: float
    sample: int | None = None
    each: str = "image"
    on: str = ""
    blame: str = ""


def hold(name: str, unit: str, figure: Figure | NotMeasured, limit: float | bool, *, most: bool) -> GateResult:
    """Hold a figure in `unit` ("pp", "dB", "ms", "" for a share or ratio, "yes" for 0 or 1) against a limit.

    `most` says that the limit is an upper one; a limit of True asks for "yes".
    """
    if isinstance(figure, NotMeasured):
        return _result(name, unit, limit, None, Verdict.UNDECIDED, f"not measured: {figure.reason}")
    bound = 1.0 if limit is True else float(limit)
    inner, outer = (figure.low, figure.high) if most else (-figure.high, -figure.low)
    line = bound if most else -bound
    words = f"{_shown(figure, unit)}{figure.on}"
    if limit is not True:
        words += f"; the limit is {'at most' if most else 'at least'} {_number(bound, unit)}"
    if outer <= line:
        return _result(name, unit, limit, figure, Verdict.PASSED, words)
    if inner > line or figure.sample is None:
        return _result(name, unit, limit, figure, Verdict.FAILED, f"{words}{figure.blame}")
    return _result(name, unit, limit, figure, Verdict.UNDECIDED, f"{words}: {_would_decide(figure, bound)}")


def _would_decide(figure: Figure, limit: float) -> str:
    assert figure.sample is not None
    gap, half = abs(figure.value - limit), (figure.high - figure.low) / 2
    needed = inf if gap <= half / _MOST_WORTH_ASKING else figure.sample * max(1.0, (half / gap) ** 2)
    with_them = f"not decidable with {counted(figure.sample, figure.each)}"
    if needed > _MOST_WORTH_ASKING:
        return f"{with_them}; the figure lies on the limit, choose another"
    return f"{with_them}; about {ceil(needed / 100) * 100:,} would decide if the figure stays"


def _result(
    name: str, unit: str, limit: float | bool, figure: Figure | None, verdict: Verdict, message: str
) -> GateResult:
    return GateResult(
        name=name,
        limit=limit,
        unit=unit,
        value=None if figure is None else figure.value,
        low=None if figure is None else figure.low,
        high=None if figure is None else figure.high,
        verdict=verdict,
        message=message,
    )


def _shown(figure: Figure, unit: str) -> str:
    if unit == "yes":
        return "yes" if figure.value else "no"
    interval = ""
    if figure.low != figure.high:
        interval = f" [{_number(figure.low, unit)}, {_number(figure.high, unit)}]"
    return f"{_number(figure.value, unit)}{interval}"


def _number(value: float, unit: str) -> str:
    sign = "+" if unit == "pp" else ""
    return f"{value:{sign}.4g}{f' {unit}' if unit not in ('', 'yes') else ''}"
