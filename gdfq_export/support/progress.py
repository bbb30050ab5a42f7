"""How long work reports itself: phases with steps, shown by the command line and silent everywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

__all__ = ["Course", "Phase", "Progress", "SilentProgress"]


class Phase(Protocol):
    """One phase under way; called after each step."""

    def __call__(self, done: int, total: int, facts: Mapping[str, float] = ...) -> None:
        """Report `done` of `total` steps and the figures worth showing."""
        ...


class Course:
    """A figure of a phase, step by step; every second point is dropped whenever there are more than `MOST`."""

    MOST = 200

    def __init__(self) -> None:
        self.total = 0
        self.points: list[tuple[int, float]] = []
        self._every = 1
        self._seen = 0

    def add(self, done: int, total: int, value: float) -> None:
        """Keep the value at step `done` of `total`, or not."""
        self.total = total
        if self._seen % self._every == 0:
            self.points.append((done, float(value)))
        self._seen += 1
        if len(self.points) > self.MOST:
            self.points, self._every = self.points[::2], 2 * self._every


class Progress:
    """Base of every progress display; keeps the seconds each phase took and how its figures went.

    A display overrides `show` to draw; timing works the same for all. `budget_left` gives the seconds that a run with a
    budget has left.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.courses: dict[tuple[str, str], Course] = {}
        self.budget_left: Callable[[], float] | None = None

    @contextmanager
    def phase(self, name: str) -> Iterator[Phase]:
        """Open the phase `name`; what is yielded takes `(done, total, facts)` after each step."""
        started = time.perf_counter()
        try:
            with self.show(name) as report:
                yield self._recorded(name, report)
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started

    def _recorded(self, name: str, report: Phase) -> Phase:
        def step(done: int, total: int, facts: Mapping[str, float] = _NO_FACTS) -> None:
            for figure, value in facts.items():
                self.courses.setdefault((name, figure), Course()).add(done, total, value)
            report(done, total, facts)

        return step

    @contextmanager
    def show(self, name: str) -> Iterator[Phase]:
        """Draw one phase; the base draws nothing."""
        del name
        yield _ignore


class SilentProgress(Progress):
    """Draws nothing, still times."""


_NO_FACTS: Mapping[str, float] = {}


def _ignore(done: int, total: int, facts: Mapping[str, float] | None = None) -> None:
    del done, total, facts
