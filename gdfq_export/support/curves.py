"""Figures of a run's phases, step by step, for the charts of a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from gdfq_export.support.progress import Phase, Progress


class Points:
    """One figure of a phase; every second point is dropped whenever there are more than `MOST`."""

    MOST = 200

    def __init__(self) -> None:
        self.total = 0
        self.points: list[tuple[int, float]] = []
        self._every = 1
        self._seen = 0

    def add(self, done: int, total: int, value: float) -> None:
        """Keep the value at step `done` of `total`, unless it falls between kept ones."""
        self.total = total
        if self._seen % self._every == 0:
            self.points.append((done, float(value)))
        self._seen += 1
        if len(self.points) > self.MOST:
            self.points, self._every = self.points[::2], 2 * self._every


class Curves:
    """The figures of the phases that were recorded; `by_figure` has them by phase and name of the figure."""

    def __init__(self) -> None:
        self.by_figure: dict[tuple[str, str], Points] = {}

    def recorded(self, phase: str, shown: Phase) -> Phase:
        """The phase `shown`, whose figures are kept as well."""

        def step(done: int, total: int, facts: Mapping[str, float] = _NO_FACTS) -> None:
            for figure, value in facts.items():
                self.by_figure.setdefault((phase, figure), Points()).add(done, total, value)
            shown(done, total, facts)

        return step


class RecordedProgress(Progress):
    """A progress display whose phases also leave their figures in `curves`; seconds are counted by the display."""

    def __init__(self, shown: Progress, curves: Curves) -> None:
        super().__init__()
        self.seconds = shown.seconds
        self._shown = shown
        self._curves = curves

    def note(self, text: str) -> None:
        """Show a line in the display."""
        self._shown.note(text)

    @contextmanager
    def phase(self, name: str) -> Iterator[Phase]:
        """Open the phase `name` of the display."""
        with self._shown.phase(name) as report:
            yield self._curves.recorded(name, report)


_NO_FACTS: Mapping[str, float] = {}
