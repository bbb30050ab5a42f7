"""Where long work keeps its state so that it can be continued; the default keeps nothing.

A state is a nested `dict` of tensors, numbers, strings, lists and tuples. Work that is continued from a state must give
the same bytes as work that was never interrupted: a state holds all that decides them, random streams included.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

State = dict[str, Any]
"""Everything that the rest of a loop depends on, by name."""


class Checkpoint(Protocol):
    """The state of one piece of long work."""

    def load(self) -> State | None:
        """The last state that was kept, or None where the work begins."""
        ...

    def step(self, state: Callable[[], State]) -> None:
        """Report the end of a step; `state` is called, and what it gives is kept, where enough time has passed."""
        ...

    def finish(self, state: Callable[[], State]) -> None:
        """Report the end of the work; `state` gives its result, which replaces the states of its steps."""
        ...

    def keep(self, state: State) -> None:
        """Keep at once what cannot be computed again, for instance what a clock decided."""
        ...

    def kept(self) -> State | None:
        """What `keep` was given, or None; nothing is under way by that."""
        ...


class Checkpoints(Protocol):
    """The checkpoints of one run."""

    def of(self, name: str) -> Checkpoint:
        """The checkpoint of the piece of work called `name`; each piece has a name of its own."""
        ...

    def leave(self) -> None:
        """Report that no piece of work is under way."""
        ...


class NoCheckpoint:
    """Keeps nothing."""

    def load(self) -> State | None:
        """Nothing was kept."""
        return None

    def step(self, state: Callable[[], State]) -> None:
        """Do nothing."""

    def finish(self, state: Callable[[], State]) -> None:
        """Do nothing."""

    def keep(self, state: State) -> None:
        """Do nothing."""

    def kept(self) -> State | None:
        """Nothing was kept."""
        return None


class NoCheckpoints:
    """Keeps nothing of any work."""

    def of(self, name: str) -> Checkpoint:
        """A checkpoint that keeps nothing."""
        del name
        return NoCheckpoint()

    def leave(self) -> None:
        """Do nothing."""
