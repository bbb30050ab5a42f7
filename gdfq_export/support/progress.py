"""How long work reports itself: phases with steps, shown by the command line and silent everywhere else.

A run that can be continued has checkpoints, and one of several processes has them, which whoever works in a phase finds
here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from calib.checkpoints.checkpoint import Checkpoints, NoCheckpoints
from calib.parallel.processes import ALONE, Processes
from gdfq_export.support.clocks.device_clock import seconds_now


class Phase(Protocol):
    """One phase under way; called after each step."""

    def __call__(self, done: int, total: int, facts: Mapping[str, float] = ...) -> None:
        """Report `done` of `total` steps and the figures to show, by name."""
        ...


class Progress:
    """Base of every progress display; counts the seconds of each phase.

    A display overrides `show` to draw.

    Attributes:
        seconds: of each phase, by name; those of earlier parts of a continued run are counted in.
        budget_left: gives the seconds that a run with a budget has left.
        warned: what `warn` has passed on.
        checkpoints: where work keeps its state.
        processes: that share the work.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.budget_left: Callable[[], float] | None = None
        self.warned: list[str] = []
        self.checkpoints: Checkpoints = NoCheckpoints()
        self.processes: Processes = ALONE
        self._under_way: dict[str, float] = {}

    def warn(self, *warnings: str) -> list[str]:
        """Pass on what the user should know before the work goes on; gives back those that are new."""
        new = [warning for warning in dict.fromkeys(warnings) if warning not in self.warned]
        self.warned += new
        return new

    def note(self, text: str) -> None:
        """Show a line that belongs to no phase; the base shows none."""
        del text

    def seconds_so_far(self) -> dict[str, float]:
        """Seconds of each phase, those that are under way included; asked within phases, so no device is waited for."""
        now = time.perf_counter()
        under_way = {name: self.seconds.get(name, 0.0) + now - started for name, started in self._under_way.items()}
        return self.seconds | under_way

    @contextmanager
    def phase(self, name: str) -> Iterator[Phase]:
        """Open the phase `name`; what is yielded takes `(done, total, facts)` after each step."""
        self._under_way[name] = started = seconds_now()
        try:
            with self.show(name) as report:
                yield report
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + seconds_now() - started
            self._under_way.pop(name, None)
            self.checkpoints.leave()

    @contextmanager
    def show(self, name: str) -> Iterator[Phase]:
        """Draw one phase; the base draws nothing."""
        del name
        yield _ignore


class SilentProgress(Progress):
    """Draws nothing, still counts seconds."""


def _ignore(done: int, total: int, facts: Mapping[str, float] | None = None) -> None:
    del done, total, facts
