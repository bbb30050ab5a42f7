"""Options of commands whose work runs on several processes or machines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from gdfq_export.cli.options.shared import Command, together


def cluster_options(workers: str) -> Callable[[Command], Command]:
    """Where work runs, as `gq.Cluster` takes it; `workers` says how many processes there are unless told."""
    return together(
        "cluster",
        workers=click.option(
            "--workers",
            type=click.IntRange(1, 1024),
            help=f"Processes of this machine that work side by side.  [default: {workers}]",
        ),
        scheduler=click.option(
            "--scheduler",
            metavar="ADDRESS",
            help="Dask scheduler whose workers do the work, in place of processes here: tcp://host:8786, or its JSON "
            "file.",
        ),
    )


def require_one(cluster: dict[str, Any], *, usual: int | None = None) -> int | None:
    """Refuse both at once; gives the number of processes here, `usual` where none is named.

    Raises:
        click.UsageError: processes here and a scheduler are named.
    """
    workers: int | None = cluster["workers"]
    if workers is not None and cluster["scheduler"] is not None:
        raise click.UsageError(
            "--workers are processes of this machine, --scheduler has its own; leave one of them out"
        )
    return usual if workers is None else workers
