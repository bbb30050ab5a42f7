"""Figures as text with their units and intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gdfq_export.support.confidence_interval import Proportion
    from gdfq_export.tasks.figures import TaskFigure


def shown(value: float, unit: str) -> str:
    """A figure of a task with its unit: `31.25 dB`, `0.9987`, `+0.40 pp`."""
    text = {"dB": f"{value:.2f}", "pp": f"{value:+.2f}"}.get(unit, f"{value:.4f}")
    return f"{text} {unit}" if unit else text


def shown_interval(figure: TaskFigure) -> str:
    """`[30.9, 31.6] at 95 %`; empty for an exact figure."""
    if figure.low == figure.high:
        return ""
    low, high = (shown(end, figure.unit).removesuffix(f" {figure.unit}") for end in (figure.low, figure.high))
    return f"[{low}, {high}] at 95 %"


def percent(proportion: Proportion) -> str:
    """`99.44 % [98.70, 99.76] at 95 %`."""
    return f"{value_percent(proportion)} [{100 * proportion.low:.2f}, {100 * proportion.high:.2f}] at 95 %"


def value_percent(proportion: Proportion) -> str:
    """`99.44 %`."""
    return f"{100 * proportion.value:.2f} %"
