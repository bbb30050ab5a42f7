"""Checkpoints of several processes: the first one writes, all go on from what it reads."""

from __future__ import annotations

from collections.abc import Callable

from calib.checkpoints.checkpoint import Checkpoint, Checkpoints, State
from calib.parallel.processes import Processes


class SharedCheckpoints:
    """The checkpoints of the first process.

    Args:
        own: in the first process those that write; elsewhere some that keep nothing.
        processes: all of which ask for the same states in the same order.
    """

    def __init__(self, own: Checkpoints, processes: Processes) -> None:
        self._own = own
        self._processes = processes

    def of(self, name: str) -> Checkpoint:
        """The checkpoint of the piece of work called `name`."""
        return _SharedCheckpoint(self._own.of(name), self._processes)

    def leave(self) -> None:
        """Report that no piece of work is under way."""
        self._own.leave()


class _SharedCheckpoint:
    def __init__(self, own: Checkpoint, processes: Processes) -> None:
        self._own = own
        self._processes = processes

    def load(self) -> State | None:
        """The state that the first process has kept."""
        return self._processes.from_first(self._own.load)

    def step(self, state: Callable[[], State]) -> None:
        """Let the first process keep the state where it is time to."""
        self._own.step(state)

    def finish(self, state: Callable[[], State]) -> None:
        """Let the first process keep the result."""
        self._own.finish(state)

    def keep(self, state: State) -> None:
        """Let the first process keep what cannot be computed again."""
        self._own.keep(state)

    def kept(self) -> State | None:
        """What the first process was given to keep."""
        return self._processes.from_first(self._own.kept)
