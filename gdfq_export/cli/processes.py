"""A command that a launcher, as torchrun, has started several times: the first process prints, a failure is told once.

What a launcher says stands in the environment, so that nothing slow is imported to know that it said nothing. The other
processes leave signals to the first one, which ends at a step that can be continued; they end when it has.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, TextIO

import click

from gdfq_export.support.interruption import SIGNALS

if TYPE_CHECKING:
    from calib.parallel.processes import Processes

SHARING = ("quantize", "synthesize")
"""Commands whose work several processes can share."""


class _Started:
    """What this process has joined, and where it could print."""

    processes: Processes | None = None
    stderr: TextIO | None = None


def quiet_unless_first() -> None:
    """Print nothing and leave signals alone in all processes but the first."""
    if _number("WORLD_SIZE", 1) == 1 or _number("RANK", 0) == 0:
        return
    _Started.stderr = sys.stderr
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # as long as the process
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def require_sharing(command: str | None) -> None:
    """Refuse a command that every one of several processes would do as a whole.

    Raises:
        UsageError: it is one.
    """
    size = _number("WORLD_SIZE", 1)
    if size > 1 and command is not None and command not in SHARING:
        raise click.UsageError(
            f"{size} processes were started for gdfq-export {command}, which one does; start it without a launcher, "
            f"which is for {' and '.join(SHARING)}"
        )


def joined() -> Processes:
    """The processes of this run; a single one without a launcher."""
    from calib.parallel.launched import launched

    _Started.processes = launched()
    return _Started.processes


def tells() -> TextIO | None:
    """Where this process tells of its failure; None where another process has told of one, or will."""
    processes, first = _Started.processes, _Started.stderr is None
    if processes is None:
        return sys.stderr if first else None
    return (_Started.stderr or sys.stderr) if processes.first_to_fail() else None


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() and "RANK" in os.environ else default
