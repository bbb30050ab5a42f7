"""Figures of a run's phases, step by step, for the charts of a report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from calib.checkpoints.checkpoint import Checkpoint, State
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

    def state(self) -> list[Any]:
        """Everything, as a checkpoint keeps it."""
        return [self.total, list(self.points), self._every, self._seen]

    @classmethod
    def of_state(cls, state: list[Any]) -> Points:
        """The inverse of `state`."""
        points = cls()
        points.total, points.points, points._every, points._seen = state
        return points


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

    def state(self, phase: str) -> dict[str, list[Any]]:
        """The figures of a phase, as a checkpoint keeps them."""
        return {figure: points.state() for (name, figure), points in self.by_figure.items() if name == phase}

    def restore(self, phase: str, state: Mapping[str, list[Any]]) -> None:
        """Put the figures of a phase back."""
        self.by_figure |= {(phase, figure): Points.of_state(points) for figure, points in state.items()}


class RecordedProgress(Progress):
    """A progress display whose phases also leave their figures in `curves`; seconds are counted by the display."""

    def __init__(self, shown: Progress, curves: Curves) -> None:
        super().__init__()
        self.seconds = shown.seconds
        self.checkpoints = RecordedCheckpoints(shown, curves)
        self.processes = shown.processes
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


class RecordedCheckpoints:
    """Checkpoints that also keep the curves of the phase; the name of one begins with its phase and a slash."""

    def __init__(self, shown: Progress, curves: Curves) -> None:
        self._shown = shown
        self._curves = curves

    def of(self, name: str) -> Checkpoint:
        """The checkpoint of a piece of work."""
        return _RecordedCheckpoint(self._shown.checkpoints.of(name), self._curves, name.partition("/")[0])

    def leave(self) -> None:
        """Report that no piece of work is under way."""
        self._shown.checkpoints.leave()


class _RecordedCheckpoint:
    def __init__(self, kept: Checkpoint, curves: Curves, phase: str) -> None:
        self._kept = kept
        self._curves = curves
        self._phase = phase

    def load(self) -> State | None:
        """The last state, whose curves are put back."""
        state = self._kept.load()
        if state is not None:
            self._curves.restore(self._phase, state.pop(_CURVES))
        return state

    def step(self, state: Callable[[], State]) -> None:
        """Report the end of a step."""
        self._kept.step(lambda: self._with_curves(state()))

    def finish(self, state: Callable[[], State]) -> None:
        """Report the end of the work."""
        self._kept.finish(lambda: self._with_curves(state()))

    def keep(self, state: State) -> None:
        """Keep at once what cannot be computed again; it has no curves."""
        self._kept.keep(state)

    def kept(self) -> State | None:
        """What `keep` was given."""
        return self._kept.kept()

    def _with_curves(self, state: State) -> State:
        return {**state, _CURVES: self._curves.state(self._phase)}


_CURVES = "curves"
_NO_FACTS: Mapping[str, float] = {}
