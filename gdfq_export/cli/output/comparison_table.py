"""The table of a comparison on stdout, a row as soon as its cell is measured."""

from __future__ import annotations

import logging
import shutil
import sys

from gdfq_export.cli.output.echo import echo
from gdfq_export.jobs.compare.cells import Cell, Comparison
from gdfq_export.jobs.compare.compare import Listener
from gdfq_export.jobs.compare.figure_text import figures, lost_heading, note
from gdfq_export.jobs.compare.methods import METHODS, bits_title
from gdfq_export.support.text import counted

WIDTHS = (22, 13, 24, 9, 10, 12)  # of bits, method, loss, Top-1, seconds and size; the note has what is left
WIDTH_OF_A_FILE = 160

log = logging.getLogger(__name__)


class ComparisonPrinter(Listener):
    """Rows on stdout under a header; the running cell on stderr."""

    def __init__(self) -> None:
        self._begun = False

    def dropped(self, cells: int) -> None:
        """Warn that earlier cells are dropped."""
        echo(
            f"Warning: the folder holds {counted(cells, 'cell')} of another network, preprocessing, image set, target, "
            "seed, budget, recipe or version; what is asked for is run again, the rest left out",
            err=True,
        )

    def starts(self, number: int, total: int, cell: Cell) -> None:
        """Print which cell starts, above its progress bars."""
        line = f"[{number}/{total}] {bits_title(cell.bits)}, {METHODS[cell.method].title}"
        if sys.stderr.isatty():
            echo(line, err=True)
        else:
            log.info("%s", line)

    def ends(self, comparison: Comparison, cell: Cell, *, ran: bool) -> None:
        """Print the cell's row."""
        if not self._begun:
            self._begun = True
            echo(f"lost: {lost_heading(comparison)}, with its 95 % interval\n", lines=True)
            echo(_line(("bits", "method", "lost", "Top-1", "time", "file", "on what")))
        head, measured = (bits_title(cell.bits), METHODS[cell.method].title), cell.measured
        if measured is None:
            echo(_line((*head, "failed" if ran else "not run", "", "", "", note(cell)), cut=False))
            return
        echo(_line((*head, *figures(measured), note(cell) + ("" if ran else " (from an earlier run)"))))


def _line(texts: tuple[str, ...], *, cut: bool = True) -> str:
    """One row; only rows without a reason are cut to the terminal's width."""
    *figures, last = texts
    padded = [
        text.rjust(width) if number > 2 else text.ljust(width)
        for number, (text, width) in enumerate(zip(figures, WIDTHS, strict=True))
    ]
    line = "".join(padded) + f"  {last}"
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDTH_OF_A_FILE
    return (line[: columns - 1] if cut else line).rstrip()
