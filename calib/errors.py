"""What calib raises when data that a user brought cannot be used, and when a process of several is lost."""

from __future__ import annotations


class DataError(ValueError):
    """A data file is unusable; the message is one sentence: what was found, in which file, and what is accepted."""


class ProcessLost(RuntimeError):
    """Another of the processes that make a result together has ended before its end."""

    def __init__(self) -> None:
        super().__init__(
            "another process of this run has ended, or cannot be reached; what it or the launcher printed says why: "
            "start the same command again"
        )
