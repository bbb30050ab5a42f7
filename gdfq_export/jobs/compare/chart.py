"""A comparison as a chart: one row a cell, grouped by bit widths, with its interval and its figures.

The scale is linear up to one point and logarithmic above it, so that tenths and tens are both readable. The same
comparison gives the same bytes: matplotlib's own defaults and fonts, no date in the file.
"""

from __future__ import annotations

import io
from itertools import groupby
from typing import TYPE_CHECKING

from gdfq_export.jobs.compare.cells import Cell, Comparison
from gdfq_export.jobs.compare.figure_text import figures, float_text, lost_heading, scored_text
from gdfq_export.jobs.compare.methods import METHODS, bits_title
from gdfq_export.support.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOOKS = {  # colours are Okabe and Ito's, which colour-blind readers tell apart
    "noise": ("#999999", "v"),
    "dfq": ("#E69F00", "s"),
    "zeroq": ("#CC79A7", "D"),
    "gdfq": ("#56B4E9", "^"),
    "ours": ("#0072B2", "o"),
    "real": ("#009E73", "*"),
}
TICKS = (-50, -20, -10, -5, -2, -1, -0.5, 0, 0.5, 1, 2, 5, 10, 20, 50, 100)
LINEAR = 1.0  # points up to which the scale is linear; above it is logarithmic
DPI, WIDTH = 120, 10.5  # inches
ROW, GAP, ABOVE, BELOW = 0.27, 0.42, 1.15, 0.65  # inches: a cell, the line that names its group, title, axis
LEFT, RIGHT = 0.15, 0.55  # of the width: where the axes start and end
COLUMNS = (0.745, 0.825, 0.895, 0.985)  # of the width: right ends of loss, Top-1, seconds and size
INK, GREY, FAINT = "#222222", "#767676", "#DDDDDD"
LONGEST = 112


def draw_comparison(comparison: Comparison) -> bytes:
    """Draw it as a PNG, as high as it has cells."""
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    groups = [(bits, list(cells)) for bits, cells in groupby(comparison.cells, key=lambda cell: cell.bits)]
    inside = sum(GAP + ROW * len(cells) for _, cells in groups)
    height = ABOVE + inside + BELOW
    with style.context(["default", {"font.size": 9.5, "text.color": INK}]):
        figure = Figure(figsize=(WIDTH, height), dpi=DPI)
        axes = figure.add_axes((LEFT, BELOW / height, RIGHT - LEFT, inside / height))
        axes.set_ylim(inside, 0)
        axes.set_yticks([])
        scale_lost(axes, *_range(comparison))
        top = 0.0
        for bits, cells in groups:
            ends = [(share - LEFT) / (RIGHT - LEFT) for share in (0.008, 0.992)]
            axes.axhspan(top + 0.1, top + GAP - 0.06, *ends, color="#F3F3F3", linewidth=0, clip_on=False)
            _write(axes, 0.015, top + GAP / 2 + 0.02, bits_title(bits), weight="bold")
            for row, cell in enumerate(cells):
                _draw(axes, cell, top + GAP + ROW * (row + 0.5))
            top += GAP + ROW * len(cells)
        lines = [scored_text(comparison), _settings(comparison)]
        figure.text(
            0.015,
            1 - 0.3 / height,
            _short(comparison.network.name),
            fontsize=14,
            weight="bold",
            parse_math=False,
        )
        for number, line in enumerate(lines):
            figure.text(0.015, 1 - (0.55 + 0.2 * number) / height, _short(line, 150), color=GREY, parse_math=False)
        heads = ("lost, 95 % interval", "Top-1" if float_text(comparison) else "", "time", "file")
        for right, head in zip(COLUMNS, heads, strict=True):
            figure.text(right, 1 - (ABOVE - 0.05) / height, head, ha="right", color=GREY)
        axes.set_xlabel(f"{lost_heading(comparison)}: less is better; linear to {LINEAR:g}, then logarithmic")
        stream = io.BytesIO()
        FigureCanvasAgg(figure).print_png(stream, metadata={"Software": None})
    return stream.getvalue()


def scale_lost(axes: Axes, low: float, high: float) -> None:
    """Points lost along x, from `low` to `high`, with the marks that fall between them."""
    axes.set_xscale("symlog", linthresh=LINEAR)
    axes.set_xlim(low, high)
    marks = [mark for mark in TICKS if low <= mark <= high]
    axes.set_xticks(marks, [f"{mark:g}" for mark in marks], minor=False)
    axes.minorticks_off()
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _range(comparison: Comparison) -> tuple[float, float]:
    """Room for every interval, and for a point on both sides of zero at least."""
    intervals = [cell.measured.score.lost_pp for cell in comparison.cells if cell.measured is not None]
    low = min([0.0, *(low for _, low, _ in intervals)])
    high = max([1.0, *(high for _, _, high in intervals)])
    return 1.15 * low - 0.08, min(100.0, 1.15 * high)


def _draw(axes: Axes, cell: Cell, height: float) -> None:
    colour, marker = LOOKS[cell.method]
    _write(axes, 0.03, height, METHODS[cell.method].title, weight="bold" if cell.method == "ours" else "normal")
    measured = cell.measured
    if measured is None:
        _write(
            axes, LEFT, height, _short(cell.reason or "", LONGEST), color=GREY, style="italic", backgroundcolor="white"
        )
        return
    lost, low, high = measured.score.lost_pp
    axes.errorbar(
        lost, height, xerr=[[max(0.0, lost - low)], [max(0.0, high - lost)]], fmt=marker, color=colour,
        markersize=9 if marker == "*" else 6, elinewidth=1.4, capsize=2.5, clip_on=False,
    )  # fmt: skip
    for right, text in zip(COLUMNS, figures(measured), strict=True):
        _write(axes, right, height, text, ha="right")


def _write(axes: Axes, x: float, y: float, text: str, **looks: str) -> None:
    """Write at a share of the figure's width and at a height of the axes; `$` signs are text, not mathematics."""
    from matplotlib.transforms import blended_transform_factory

    assert axes.figure is not None
    across = blended_transform_factory(axes.figure.transFigure, axes.transData)
    axes.text(x, y, text, transform=across, va="center_baseline", clip_on=False, parse_math=False, **looks)  # type: ignore[arg-type]


def _settings(comparison: Comparison) -> str:
    parts = (
        float_text(comparison),
        f"target {comparison.target}",
        f"{comparison.budget_seconds:g} s a cell",
        f"seed {comparison.seed}",
        comparison.machine.cpu,
    )
    return ", ".join(filter(None, parts))


def _short(text: str, longest: int = 80) -> str:
    text = printable(text)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
