"""The one place where an exception becomes a sentence on stderr and an exit code.

2 also for what only the user's machine can fix (a full disk, a folder that became unwritable); 4 for defects of ours,
whose traceback `--log-level debug` shows; 130 and 143 for SIGINT and SIGTERM, as shells do.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
import traceback
from contextlib import suppress
from typing import IO, Any

import click

from gdfq_export.cli.processes import require_sharing, tells
from gdfq_export.errors import GdfqExportError, InputError, InternalError, SharedWorkDone, shortened
from gdfq_export.support.files import committed
from gdfq_export.support.interruption import Interrupted, die_on_signals, lost_signal
from gdfq_export.support.text import counted, printable

_NAMED = 3
CLOSED = frozenset({errno.EPIPE, errno.EBADF, errno.EIO})
UNNAMEABLE = frozenset({errno.ENAMETOOLONG, errno.ELOOP})
_NO_MEMORY = ("DefaultCPUAllocator", "CUDA out of memory")  # torch raises a RuntimeError
OUTSIDE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM})


class Failure(click.ClickException):
    """A message that click prints as `Error: message` on stderr, with its exit code."""

    exit_code: int  # type: ignore[misc]  # click declares one for each class, not for each error

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(shortened(printable(message)))
        self.exit_code = exit_code

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message, in one of several processes."""
        if (stderr := tells()) is not None:
            super().show(file or stderr)


class CommandGroup(click.Group):
    """A group whose commands never show a traceback unless asked to."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; of several processes, refuse one that they do not share."""
        found = super().resolve_command(ctx, args)
        require_sharing(found[0])
        return found

    def invoke(self, ctx: click.Context) -> object:
        """Run the command.

        Raises:
            Failure: anything but a usage error went wrong.
        """
        try:
            result = super().invoke(ctx)
            if sys.stdout is not None:
                sys.stdout.flush()
            return result
        except click.ClickException as error:
            error.message = printable(error.message, lines=True)  # type: ignore[misc]  # the text of this error alone
            raise
        except (click.exceptions.Exit, click.Abort):
            raise
        except SharedWorkDone:
            return None
        except KeyboardInterrupt as error:
            die_on_signals()
            lost_signal()
            raise _ended(error if isinstance(error, Interrupted) else Interrupted()) from None
        except Exception as error:
            if (lost := lost_signal()) is not None:
                raise _ended(lost) from None
            if logging.getLogger("gdfq_export").isEnabledFor(logging.DEBUG):
                click.echo(printable(traceback.format_exc(), lines=True), err=True)
            raise _failure(error) from error


def _ended(interrupted: Interrupted) -> Failure:
    go_on = interrupted.go_on or _state() or "files that were there before are as they were"
    return Failure(f"interrupted; {go_on}", interrupted.exit_code)


def _state() -> str:
    """What was written before the end; empty where nothing was."""
    written = committed()
    more = f" and {counted(len(written) - _NAMED, 'more file')}" if len(written) > _NAMED else ""
    return f"written before: {', '.join(map(str, written[:_NAMED]))}{more}" if written else ""


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or any(words in str(error) for words in _NO_MEMORY)


def _failure(error: Exception) -> Failure:
    if isinstance(error, GdfqExportError):
        return Failure(str(error), error.exit_code)
    if _is_data_error(error):
        return Failure(str(error), InputError.exit_code)
    if isinstance(error, OSError) and (error.errno in CLOSED or (error.errno == errno.ENOSPC and not error.filename)):
        _forget_stdout()
        state = "; ".join(filter(None, ("let something read all of it, or send it to a file", _state())))
        return Failure(f"cannot print the results: {error.strerror}; {state}", InputError.exit_code)
    if isinstance(error, OSError) and error.errno in UNNAMEABLE:
        return Failure(f"cannot open {error.filename}: {error.strerror}; give another path", InputError.exit_code)
    if isinstance(error, OSError) and error.errno in OUTSIDE:
        where = f" at {error.filename}" if error.filename else ""
        return Failure(
            f"{error.strerror}{where}; fix that or choose another place for the output", InputError.exit_code
        )
    said = " ".join(str(error).split())
    if _is_out_of_memory(error):
        return Failure(
            f"out of memory ({said[:200] or type(error).__name__}); give fewer or smaller images, a smaller network, "
            "or more memory",
            InputError.exit_code,
        )
    return Failure(
        f"internal error: {type(error).__name__}: {said}; run with --log-level debug for the traceback",
        InternalError.exit_code,
    )


def _forget_stdout() -> None:
    """Let what is still to be printed go nowhere, so that the end of the process does not fail at it."""
    with suppress(OSError, ValueError):
        printing = sys.stdout.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, printing)
        os.close(nowhere)


def _is_data_error(error: Exception) -> bool:
    """Whether it is calib's; without importing calib, which would import torch just to say that a flag is wrong."""
    errors = sys.modules.get("calib.errors")
    return errors is not None and isinstance(error, errors.DataError | errors.ProcessLost)
