"""gdfq-export checkpoints: what interrupted runs have left in a folder, and its removal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gdfq_export.cli.options.shared import InputPath, log_level_option
from gdfq_export.cli.output.echo import echo

if TYPE_CHECKING:
    from gdfq_export.support.checkpoints.left_runs import LeftRun

FOLDER = InputPath("give the folder that outputs were written to")
_MINUTE, _MEGABYTE = 60, 1e6


@click.command()
@click.argument("folder", type=FOLDER, default=".", metavar="[FOLDER]")
@click.option("--remove", is_flag=True, help="Remove those that no process works with.")
@log_level_option
def checkpoints(folder: Path, remove: bool) -> None:
    """List the checkpoints of interrupted runs in FOLDER and below it; by default in the current folder.

    A run goes on from its checkpoint by the command that was interrupted.
    """
    from gdfq_export.support.checkpoints.left_runs import left_runs
    from gdfq_export.support.checkpoints.left_runs import remove as remove_run

    found = left_runs(folder)
    if not found:
        echo(f"no checkpoints in {folder}")
    for run in found:
        done = "removed" if remove and remove_run(run) else "running now" if run.running else "interrupted"
        echo(f"{run.path}: {_text(run)}, {done}")


def _text(run: LeftRun) -> str:
    """What was run, on which network, how much of it is kept, and when it was written."""
    said = run.identity
    what = f"{said.get('command')} of {str(said.get('network')).partition(' (')[0]}" if said else "damaged"
    return (
        f"{what}, {run.seconds:.0f} s of work in {run.bytes / _MEGABYTE:.1f} MB, "
        f"written {run.age_seconds / _MINUTE:.0f} minutes ago"
    )
