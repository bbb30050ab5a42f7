"""The table of a batch: on a terminal it grows in place under a count, elsewhere a line for each job as it ends."""

from __future__ import annotations

import sys
import time
from collections import Counter
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gdfq_export.cli.output.echo import echo
from gdfq_export.report.batch.row import BatchRow
from gdfq_export.support.text import counted, printable

_STYLES = {"passed": "green", "failed": "red", "not run": "red", "inconclusive": "yellow"}
_COLUMNS = ("network", "recipe", "target", "seed", "verdict", "loss", "latency", "size", "time")
_BELOW = 8  # lines of the terminal that are no rows


class BatchPrinter:
    """Shows each row when its job is done; a context, so that the live table ends with it."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._rows: list[tuple[BatchRow, bool]] = []
        self._began = time.monotonic()
        self._console = Console()
        self._live = Live(console=self._console, refresh_per_second=4) if sys.stdout.isatty() else None

    def __enter__(self) -> BatchPrinter:
        if self._live is not None:
            self._live.start()
            self._live.update(self._table(), refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def row(self, row: BatchRow, ran: bool) -> None:
        """Show one more job."""
        self._rows.append((row, ran))
        if self._live is not None:
            self._live.update(self._table())
            return
        note = row.reason or ("" if ran else "from an earlier run")
        cells = _cells(row, ran=ran)[4:]
        echo(f"[{len(self._rows)}/{self._total}] {row.name}: " + ", ".join(filter(None, (*cells, note))))

    def _table(self) -> Table:
        """The last rows that fit, under the counts of all."""
        verdicts = Counter(row.verdict for row, _ in self._rows)
        done = ", ".join(f"{number:,} {verdict}" for verdict, number in verdicts.items())
        seconds = time.monotonic() - self._began
        table = Table(
            title=f"{len(self._rows):,} of {counted(self._total, 'job')} in {seconds:,.0f} s: {done or 'begun'}"
        )
        for column in _COLUMNS:
            table.add_column(column, no_wrap=column != "loss")
        for row, ran in self._rows[-max(1, self._console.height - _BELOW) :]:
            cells = map(printable, _cells(row, ran=ran))
            table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in cells))
        return table


def _cells(row: BatchRow, *, ran: bool) -> tuple[str, ...]:
    figures = row.figures
    measured = ("", "", "")
    if figures is not None:
        measured = (
            "" if figures.loss is None else figures.loss.text,
            "" if figures.latency_ms is None else f"{figures.latency_ms:.3g} ms",
            f"{figures.bytes / 1024:,.0f} KiB",
        )
    took = f"{row.seconds:.1f} s" if ran and figures is not None else ""
    return (row.network, row.recipe, row.target, str(row.seed), row.verdict, *measured, took)
