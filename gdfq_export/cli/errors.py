"""The one place where an exception becomes a sentence on stderr and an exit code.

2 also for what only the user's machine can fix (a full disk, a folder that became unwritable); 4 for defects of ours,
whose traceback `--log-level debug` shows; 130 and 143 for SIGINT and SIGTERM, as shells do.
"""

from __future__ import annotations

import errno
import logging
import sys
import traceback

import click

from gdfq_export.errors import GdfqExportError, InputError, InternalError
from gdfq_export.support.interruption import Interrupted, die_on_signals

OUTSIDE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM})


class Failure(click.ClickException):
    """A message that click prints as `Error: message` on stderr, with its exit code."""

    exit_code: int  # type: ignore[misc]  # click declares one for each class, not for each error

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class CommandGroup(click.Group):
    """A group whose commands never show a traceback unless asked to."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command.

        Raises:
            Failure: anything but a usage error went wrong.
        """
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt as error:
            die_on_signals()
            raise _ended(error if isinstance(error, Interrupted) else Interrupted()) from None
        except Exception as error:
            if logging.getLogger("gdfq_export").isEnabledFor(logging.DEBUG):
                click.echo(traceback.format_exc(), err=True)
            raise _failure(error) from error


def _ended(interrupted: Interrupted) -> Failure:
    go_on = interrupted.go_on or "files that were there before are as they were"
    return Failure(f"interrupted; {go_on}", interrupted.exit_code)


def _failure(error: Exception) -> Failure:
    if isinstance(error, GdfqExportError):
        return Failure(str(error), error.exit_code)
    if _is_data_error(error):
        return Failure(str(error), InputError.exit_code)
    if isinstance(error, OSError) and error.errno in OUTSIDE:
        where = f" at {error.filename}" if error.filename else ""
        return Failure(
            f"{error.strerror}{where}; fix that or choose another place for the output", InputError.exit_code
        )
    said = " ".join(str(error).split())
    return Failure(
        f"internal error: {type(error).__name__}: {said}; run with --log-level debug for the traceback",
        InternalError.exit_code,
    )


def _is_data_error(error: Exception) -> bool:
    """Whether it is calib's; without importing calib, which would import torch just to say that a flag is wrong."""
    errors = sys.modules.get("calib.errors")
    return errors is not None and isinstance(error, errors.DataError)
