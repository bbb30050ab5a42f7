"""Options of commands that go on where they were interrupted, and where their checkpoint lies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gdfq_export.cli.options.shared import OUTPUT, together

SUFFIX = ".checkpoint"

checkpoint_options = together(
    "kept",
    checkpoint=click.option(
        "--checkpoint",
        type=OUTPUT,
        help="Folder that keeps the state of the run: after an interruption the same command goes on from it. It is "
        "removed when the results are written.  [default: beside the output, ending in .checkpoint]",
    ),
    no_checkpoint=click.option("--no-checkpoint", is_flag=True, help="Keep no state."),
    restart=click.option(
        "--restart", is_flag=True, help="Begin anew: discard the checkpoint that an earlier run has left."
    ),
)
"""Where the state of the run is kept, and whether an earlier one is discarded."""


def checkpoint_settings(kept: dict[str, Any], output: Path | None) -> dict[str, Any]:
    """Arguments of `RunContext`; without `--checkpoint` the folder lies beside the output.

    Raises:
        click.UsageError: the options contradict each other.
    """
    from gdfq_export.support.files import writes_through

    if kept["no_checkpoint"] and (kept["checkpoint"] or kept["restart"]):
        raise click.UsageError("--no-checkpoint contradicts --checkpoint and --restart; leave one of them out")
    folder: Path | None = kept["checkpoint"]
    if folder is None and output is not None and not writes_through(output):
        folder = output.with_name(output.name + SUFFIX)
    return {"checkpoint": None if kept["no_checkpoint"] else folder, "restart": kept["restart"]}
