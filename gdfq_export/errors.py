"""Errors a user can meet, each with the exit code the command line returns for it.

A message is one sentence: what is wrong, where, and what to do about it. Anything that is not one of these is a defect
of ours (exit code 4).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

LONGEST = 1_900
"""Characters of a message; names in it are the file's, which may be of any length."""


class GdfqExportError(Exception):
    """Base of every error that is shown to a user without a traceback; what is too long is left out of its middle."""

    exit_code: int = 4

    def __init__(self, message: str = "") -> None:
        super().__init__(shortened(message))


class GateFailed(GdfqExportError):
    """A measured value does not satisfy a gate the user set."""

    exit_code = 1


class InputError(GdfqExportError):
    """The user's model, data, recipe or option cannot be used."""

    exit_code = 2


class BackendUnavailable(GdfqExportError):
    """The runtime or device asked for is not on this machine."""

    exit_code = 3


class SharedWorkDone(GdfqExportError):
    """This process has done its part of a run of several; the first one measures the result and writes it."""

    exit_code = 0


class InternalError(GdfqExportError):
    """A promise of this tool does not hold, for instance a file that differs from its simulation."""

    exit_code = 4


def shortened(message: str) -> str:
    """A message of at most `LONGEST` characters, its beginning and its end kept.

    >>> len(shortened("a" * 5000)), shortened("short")
    (1900, 'short')
    """
    if len(message) <= LONGEST:
        return message
    return f"{message[: LONGEST - 603]}...{message[-600:]}"


@contextmanager
def errors_name(where: str) -> Iterator[None]:
    """Put the file's name in front of what is said of its nodes.

    Raises:
        InputError: the one that was raised inside, with `where` in front.
    """
    try:
        yield
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
