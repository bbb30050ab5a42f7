"""Rows of a search on stdout: each cell when it was measured, and all of them at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdfq_export.cli.output.echo import echo
from gdfq_export.support.text import counted

if TYPE_CHECKING:
    from gdfq_export.jobs.search.cells import SearchCell
    from gdfq_export.jobs.search.search_report import SearchReport
    from gdfq_export.report.batch.row import BatchRow

_WIDTHS = (26, 14, 6, 9, 24, 11, 10)


def print_measured(cell: SearchCell, row: BatchRow) -> None:
    """One line on stderr for a cell that was measured, or could not be run."""
    echo(f"{cell.name}: {row.verdict}, {row.seconds:.0f} s{f'; {row.reason}' if row.reason else ''}", err=True)


def print_search(report: SearchReport) -> None:
    """The table of all cells, and the answer."""
    from gdfq_export.jobs.search.page import answer_text, figures, limits_text

    echo(_line(("recipe", "target", "seed", "outcome", "loss", "latency", "size"), "why"))
    for row in report.rows:
        loss, latency, size = figures(row)
        head = (row.recipe, row.target, str(row.seed), row.outcome, loss, latency, size.partition(" ")[0])
        echo(_line(head, row.reason))
    run = sum(row.row is not None for row in report.rows)
    echo(f"limits: {limits_text(report)}; {run} of {counted(len(report.rows), 'cell')} were run")
    if report.answer is not None:
        echo(answer_text(report))


def _line(texts: tuple[str, ...], last: str) -> str:
    return ("".join(text.ljust(width) for text, width in zip(texts, _WIDTHS, strict=True)) + last).rstrip()
