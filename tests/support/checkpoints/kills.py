"""Runs work again and again, killed behind each state that it keeps, and then to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from calib.checkpoints.checkpoint import Checkpoints, State
from gdfq_export.support.checkpoints.run_folder import RunFolder

Made = TypeVar("Made")
IDENTITY: Mapping[str, Any] = {"seed": 0}


class Killed(Exception):
    """Stands for a SIGKILL just behind a state that was kept."""


class KilledFolder(RunFolder):
    """Keeps every state and stops behind number `kill`."""

    def __init__(self, path: Path, kill: int | None) -> None:
        super().__init__(path, IDENTITY)
        self.written = 0
        self._kill = kill

    def due(self, seconds: float) -> bool:
        return True

    def write(self, path: Path, state: State) -> None:
        super().write(path, state)
        self.written += 1
        if self.written == self._kill:
            raise Killed


def killed_everywhere(work: Callable[[Checkpoints], Made], folder: Path, *, every: int = 1) -> Iterator[Made]:
    """What `work` gives where it was killed behind each state (each `every`-th), and continued from it."""
    whole = KilledFolder(folder / "whole", None)
    yield work(whole)
    count = whole.written
    whole.discard()
    assert count > 1, "nothing was kept"
    for kill in range(1, count + 1, every):
        first = KilledFolder(folder / "run", kill)
        try:
            work(first)
        except Killed:
            pass
        finally:
            first.close()
        second = KilledFolder(folder / "run", None)
        yield work(second)
        assert second.written <= count - kill, "work was done again"
        second.discard()
