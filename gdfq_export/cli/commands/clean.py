"""gdfq-export clean: what killed runs left, listed or removed."""

from __future__ import annotations

from pathlib import Path

import click

from gdfq_export.cli.options.shared import InputPath, log_level_option
from gdfq_export.cli.output.echo import echo

FOLDER = InputPath("give the folder that outputs were written to")


@click.command()
@click.argument("folder", type=FOLDER, default=".", metavar="[FOLDER]")
@click.option("--remove", is_flag=True, help="Remove it; outputs that a killed run had begun to rename are finished.")
@log_level_option
def clean(folder: Path, remove: bool) -> None:
    """List the temporary files of killed runs in FOLDER, and their folders in the system's temporary folder.

    Files of runs that are alive are left alone. The next run of the same output removes its own without this command.
    """
    from gdfq_export.support.files.leftovers import leftovers, remove_leftovers
    from gdfq_export.support.text import counted

    found = leftovers(folder)
    if remove:
        for sentence in remove_leftovers(folder):
            echo(sentence)
    else:
        for path in found:
            echo(str(path))
    if not remove or not found:
        echo(f"killed runs left {counted(len(found), 'file or folder', 'files and folders') if found else 'nothing'}")
