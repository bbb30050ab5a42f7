"""SVG paths in a square of 100 x 100, which the page stretches over a chart; y counts down from the top."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import log1p


def line(points: Iterable[tuple[float, float]]) -> str:
    """Points (x, y) in per cent, joined."""
    return "M" + "L".join(f"{_short(x)} {_short(y)}" for x, y in points)


def bars(counts: Sequence[int], *, start: float, end: float, logarithmic: bool) -> str:
    """A histogram as one closed outline from `start` to `end` per cent; the highest bin reaches the top."""
    heights = [log1p(count) if logarithmic else float(count) for count in counts]
    most = max(heights, default=0.0) or 1.0
    width = (end - start) / max(1, len(counts))
    path = [f"M{_short(start)} 100"]
    for number, height in enumerate(heights):
        path.append(f"V{_short(100 - 100 * height / most)}H{_short(start + (number + 1) * width)}")
    return "".join(path) + "V100Z"


def _short(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
