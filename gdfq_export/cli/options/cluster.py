"""Options of commands whose work runs on several processes or machines."""

from __future__ import annotations

import click

from gdfq_export.cli.options.shared import together

cluster_options = together(
    "cluster",
    workers=click.option(
        "--workers",
        type=click.IntRange(1, 1024),
        help="Processes of this machine that work side by side.  [default: as many as cores and memory allow]",
    ),
    scheduler=click.option(
        "--scheduler",
        metavar="ADDRESS",
        help="Dask scheduler whose workers do the work, in place of processes here: tcp://host:8786, or its JSON file.",
    ),
)
"""Where work runs, as `gq.Cluster` takes it."""
