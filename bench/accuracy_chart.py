"""The drop of every method as a chart: over networks at W4A4, and over bits on one network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.accuracy_cells import METHODS, NETWORKS, TABLE_BITS, bits_title
from bench.accuracy_entries import Entries
from gdfq_export.jobs.compare.chart import LOOKS, scale_lost

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_chart"]

NETWORK, BITS = "cifar10_resnet20", "w4a4"
STEP = 0.11  # between the methods of one row


def draw_chart(entries: Entries, path: Path) -> bool:
    """Write the picture to `path`; says whether there was anything to draw."""
    networks = [network for network in NETWORKS if any((network, BITS, method) in entries for method in METHODS)]
    widths = [bits for bits in TABLE_BITS if any((NETWORK, bits, method) in entries for method in METHODS)]
    if not networks and not widths:
        return False
    from matplotlib.figure import Figure

    rows = max(len(networks), len(widths), 3)
    figure = Figure(figsize=(12, 1.4 + 0.55 * rows), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw(left, entries, [(network, BITS) for network in networks], networks)
    left.set_title(bits_title(BITS), loc="left")
    _draw(right, entries, [(NETWORK, bits) for bits in widths], list(map(bits_title, widths)))
    right.set_title(NETWORK, loc="left")
    handles, labels = right.get_legend_handles_labels() if widths else left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(METHODS), frameon=False)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    return True


def _draw(axes: Axes, entries: Entries, cells: Sequence[tuple[str, str]], names: Sequence[str]) -> None:
    """One row a cell, from top to bottom, its methods a little apart."""
    lowest = -0.7
    for position, (method, title) in enumerate(METHODS.items()):
        shift = (position - (len(METHODS) - 1) / 2) * STEP
        colour, marker = LOOKS[method]
        found = [(row, entries.get((*cell, method))) for row, cell in enumerate(cells)]
        points = [(row + shift, entry) for row, entry in found if entry is not None and entry.failed is None]
        drops = [entry.drop for _, entry in points]
        lowest = min([lowest, *(entry.low for _, entry in points)])
        errors = [
            [max(0.0, entry.drop - entry.low) for _, entry in points],
            [max(0.0, entry.high - entry.drop) for _, entry in points],
        ]
        axes.errorbar(
            drops, [height for height, _ in points], xerr=errors if points else None, fmt=marker, color=colour,
            markersize=8 if method in ("ours", "real") else 5.5, elinewidth=1, label=title,
        )  # fmt: skip
    scale_lost(axes, lowest, 100)
    axes.set_xlabel("drop in points, with its 95 % interval")
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    for row in range(1, len(names)):
        axes.axhline(row - 0.5, color="#EEEEEE", linewidth=0.6)
