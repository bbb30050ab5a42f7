"""Progress and warnings on stderr: bars on a terminal, else one logged line per phase (from --log-level info)."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from gdfq_export.cli.output.echo import echo
from gdfq_export.support.progress import Phase, Progress
from gdfq_export.support.text import printable

FACTS_SHOWN = 3

log = logging.getLogger(__name__)


def print_warnings(warnings: Iterable[str]) -> None:
    """One line a warning."""
    for warning in warnings:
        echo(f"Warning: {printable(warning)}", err=True)


def progress_display() -> Display:
    """The display that suits stderr."""
    return BarProgress(Console(stderr=True)) if sys.stderr.isatty() else LoggedProgress()


class Display(Progress):
    """What every display shares: warnings go to stderr at once."""

    def warn(self, *warnings: str) -> list[str]:
        """Print those that are new."""
        new = super().warn(*warnings)
        print_warnings(new)
        return new


class BarProgress(Display):
    """A bar for each open phase, a line for each finished one."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[facts]}", style="dim"),
            console=console,
            transient=True,
        )
        self._open = 0

    def note(self, text: str) -> None:
        """Print a line above the bars."""
        self._bars.console.print(printable(text), highlight=False, markup=False)

    def _budget(self) -> str:
        """What is left of the budget, minutes and seconds."""
        if self.budget_left is None:
            return ""
        minutes, seconds = divmod(max(0, round(self.budget_left())), 60)
        return f"  budget {minutes}:{seconds:02d} left"

    @contextmanager
    def show(self, name: str) -> Iterator[Phase]:
        """Draw one phase; phases may nest."""
        task = self._bars.add_task(name, total=None, facts="")

        def report(done: int, total: int, facts: Mapping[str, float] | None = None) -> None:
            self._bars.update(task, completed=done, total=total, facts=_facts(facts) + self._budget())

        started = time.perf_counter()
        if not self._open:
            self._bars.start()
        self._open += 1
        try:
            yield report
            self._bars.console.print(f"{name}  [dim]{time.perf_counter() - started:.1f} s[/]", highlight=False)
        finally:
            self._open -= 1
            self._bars.remove_task(task)
            if not self._open:
                self._bars.stop()


class LoggedProgress(Display):
    """A line for each finished phase, with its last figures."""

    def note(self, text: str) -> None:
        """Print a line, whatever the log level: there are some twenty in a run with a budget, and none in others."""
        echo(text, err=True)

    @contextmanager
    def show(self, name: str) -> Iterator[Phase]:
        """Log one phase when it ends."""
        last = ""

        def report(done: int, total: int, facts: Mapping[str, float] | None = None) -> None:
            nonlocal last
            last = f"  {done}/{total}  {_facts(facts)}"

        started = time.perf_counter()
        yield report
        log.info("%s", f"{name}  {time.perf_counter() - started:.1f} s{last}".rstrip())


def _facts(facts: Mapping[str, float] | None) -> str:
    return "  ".join(f"{name} {value:.3g}" for name, value in list((facts or {}).items())[:FACTS_SHOWN])
