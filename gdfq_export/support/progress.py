"""How long work reports itself: phases with steps, shown by the command line and silent everywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol


class Phase(Protocol):
    """One phase under way; called after each step."""

    def __call__(self, done: int, total: int, facts: Mapping[str, float] = ...) -> None:
        """Report `done` of `total` steps and the figures to show, by name."""
        ...


class Progress:
    """Base of every progress display; counts the seconds of each phase.

    A display overrides `show` to draw. `budget_left` gives the seconds that a run with a budget has left.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.budget_left: Callable[[], float] | None = None
        self.warned: list[str] = []

    def warn(self, *warnings: str) -> list[str]:
        """Pass on what the user should know before the work goes on; gives back those that are new."""
        new = [warning for warning in dict.fromkeys(warnings) if warning not in self.warned]
        self.warned += new
        return new

    def note(self, text: str) -> None:
        """Show a line that belongs to no phase; the base shows none."""
        del text

    @contextmanager
    def phase(self, name: str) -> Iterator[Phase]:
        """Open the phase `name`; what is yielded takes `(done, total, facts)` after each step."""
        started = time.perf_counter()
        try:
            with self.show(name) as report:
                yield report
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started

    @contextmanager
    def show(self, name: str) -> Iterator[Phase]:
        """Draw one phase; the base draws nothing."""
        del name
        yield _ignore


class SilentProgress(Progress):
    """Draws nothing, still counts seconds."""


def _ignore(done: int, total: int, facts: Mapping[str, float] | None = None) -> None:
    del done, total, facts
