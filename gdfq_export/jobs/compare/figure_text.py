"""The figures of a cell as text, the same in the terminal, in comparison.md and in the chart."""

from __future__ import annotations

from gdfq_export.jobs.compare.cells import Cell, CellResult, Comparison, Score
from gdfq_export.jobs.compare.methods import METHODS
from gdfq_export.support.text import counted


def lost_heading(comparison: Comparison) -> str:
    """What is lost, with its unit."""
    figure = next((cell.measured.score.figure for cell in comparison.cells if cell.measured is not None), None)
    if comparison.network.classes is None:
        if figure is None or figure.unit == "dB":
            return "error of the outputs relative to the signal, %"
        return f"{figure.title}, {'percentage points' if figure.unit == 'pp' else 'what is missing to 1 in %'}"
    if comparison.scored.labels == "given":
        return "drop of Top-1, percentage points"
    return "answers that are not float's, %"


def lost_text(score: Score) -> str:
    """The loss with its 95 % interval."""
    lost, low, high = score.lost_pp
    if score.top1 is None and (score.figure is None or score.figure.unit != "pp"):
        return f"{lost:.2f} [{low:.2f}, {high:.2f}]"
    return f"{lost:+.2f} [{low:+.2f}, {high:+.2f}]"


def figures(measured: CellResult) -> tuple[str, str, str, str]:
    """What is lost, Top-1 of the file (nothing without labels), time up to the written file, its size."""
    top1, seconds = measured.score.top1, measured.seconds
    return (
        lost_text(measured.score),
        "" if top1 is None else f"{100 * top1.quantized.value:.2f} %",
        f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:,.0f} s",
        f"{measured.file.bytes / 1024:,.0f} KiB",
    )


def note(cell: Cell) -> str:
    """What it was tuned on and how far its schedule was cut, or why it has no figures."""
    measured = cell.measured
    if measured is None:
        return cell.reason or ""
    made = METHODS[cell.method].images != "none"
    parts = [f"{counted(measured.images, 'image')}: {measured.tuned_on}" if made else "no images"]
    if measured.cut is not None and measured.cut.steps < measured.cut.published_steps:
        parts.append(f"{measured.cut.steps:,} of {counted(measured.cut.published_steps, 'published step')}")
    return ", ".join(parts)


def scored_text(comparison: Comparison) -> str:
    """What all cells are scored on."""
    scored = comparison.scored
    if scored.labels == "given":
        kind = "labelled image" if comparison.network.classes is not None else "image"
        return f"{counted(scored.images, kind)} of {scored.source}"
    return (
        f"agreement with the float network on {scored.images:,} {scored.source}; no labelled images were given (--data)"
    )


def float_text(comparison: Comparison) -> str:
    """Top-1 of the float network; nothing without labels."""
    scores = (cell.measured.score.top1 for cell in comparison.cells if cell.measured is not None)
    top1 = next((score.float_network for score in scores if score is not None), None)
    if top1 is None:
        return ""
    return f"float Top-1 {100 * top1.value:.2f} % [{100 * top1.low:.2f}, {100 * top1.high:.2f}]"
