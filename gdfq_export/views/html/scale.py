"""Axes: values to per cent of a chart's width or height, and where its ticks stand.

Charts are drawn in per cent, so that they fill a phone as well as a desk and their text keeps its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor, log10

from gdfq_export.views.html.numerals import significant


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A mark at `at` per cent of the axis."""

    at: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """An axis from `low` to `high`, low < high, above 0 where it is `logarithmic`."""

    low: float
    high: float
    ticks: tuple[Tick, ...]
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """Per cent of the axis, 0 to 100; values outside are clipped to the ends."""
        return _at(value, self.low, self.high, self.logarithmic)

    def down(self, value: float) -> float:
        """The same from the top, as SVG counts."""
        return round(100 - self.at(value), 2)


def linear_scale(low: float, high: float, *, most: int = 6, widen: bool = True) -> Scale:
    """An axis that holds both; with `widen`, out to the next tick on either side."""
    from matplotlib.ticker import MaxNLocator

    if not low < high:
        low, high = low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1)
    values = [float(value) for value in MaxNLocator(nbins=most, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)]
    if widen:
        low, high = min(low, values[0]), max(high, values[-1])
    return _scale(low, high, values, False)


def count_scale(number: int, *, most: int = 12) -> Scale:
    """`number` columns side by side, each tick at the middle of its column; the first is 1."""
    from matplotlib.ticker import MaxNLocator

    ticks = MaxNLocator(nbins=most, integer=True, steps=[1, 2, 5, 10]).tick_values(1, max(2, number))
    values = dict.fromkeys((1.0, *(float(value) for value in ticks if 1 < value <= number)))
    return _scale(0.5, number + 0.5, list(values), False)


def log_scale(low: float, high: float) -> Scale:
    """A logarithmic axis over both, 0 < low."""
    from matplotlib.ticker import LogLocator

    if not low < high:
        low, high = low / 2, high * 2
    many = log10(high / low) > 2.5
    values = [float(value) for value in LogLocator(subs=(1.0,) if many else (1.0, 2.0, 5.0)).tick_values(low, high)]
    return _scale(low, high, values, True)


def _scale(low: float, high: float, values: Sequence[float], logarithmic: bool) -> Scale:
    inside = [value for value in values if low - 1e-9 * abs(low) <= value <= high + 1e-9 * abs(high)]
    texts = [significant(value, 1) for value in inside] if logarithmic else _even(inside)
    ticks = [Tick(at=_at(value, low, high, logarithmic), text=text) for value, text in zip(inside, texts, strict=True)]
    return Scale(low=low, high=high, ticks=tuple(ticks), logarithmic=logarithmic)


def _even(values: Sequence[float]) -> list[str]:
    """Ticks with as many decimals as their distance needs."""
    step = min((b - a for a, b in pairwise(values)), default=abs(values[0]) if values else 1) or 1
    decimals = max(0, -floor(log10(step) + 1e-9))
    if decimals > 6 or max(map(abs, values), default=0) >= 1e7:
        return [significant(value) for value in values]
    if round(step, decimals) != round(step, decimals + 2):  # 2.5 of the unit
        decimals += 1
    texts = [f"{value:,.{decimals}f}" for value in values]
    return ["0" if not text.strip("-0.,") else text.replace("-", "\u2212") for text in texts]


def _at(value: float, low: float, high: float, logarithmic: bool) -> float:
    if logarithmic:
        value, low, high = log10(max(value, low)), log10(low), log10(high)
    return round(100 * min(1.0, max(0.0, (value - low) / (high - low))), 2)
