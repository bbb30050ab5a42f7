"""gdfq-export batch: many networks by many recipes, targets and seeds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from gdfq_export.cli.options.cluster import cluster_options, require_one
from gdfq_export.cli.options.shared import InputPath, log_level_option
from gdfq_export.cli.output.echo import echo

RETRIES = click.IntRange(0, 100)


@click.command()
@click.argument("jobs", type=InputPath("give a YAML file with a list of networks"))
@click.option(
    "--out",
    required=True,
    metavar="STORE",
    help="Folder, or an address such as s3://bucket/folder, for the results and index.html; jobs that it holds are not "
    "run again.",
)
@cluster_options("as many as cores and memory allow")
@click.option("--retries", type=RETRIES, default=2, help="How often a job is begun again whose worker died.")
@click.option("--dry-run", is_flag=True, help="Print the jobs and which of them the store holds; run nothing.")
@log_level_option
def batch(jobs: Path, out: str, cluster: dict[str, Any], retries: int, dry_run: bool) -> None:
    """Quantize all networks that the file JOBS names, by all its recipes, for all its targets, with all its seeds.

    JOBS is YAML: lists networks, recipes, targets and seeds, limits as gates, images as data. Each job leaves what
    quantize leaves. A job that cannot be run is a row with its reason. The exit code is that of the worst job.
    """
    require_one(cluster)
    import gdfq_export as gq
    from gdfq_export.cli.output.batch_table import BatchPrinter
    from gdfq_export.jobs.batch.jobs_file import read_jobs
    from gdfq_export.jobs.batch.store import Store

    asked, store = read_jobs(jobs), Store(out)
    if dry_run:
        store.require_usable()
        held = store.complete()
        for job in asked:
            echo(f"{'held' if job.sha256 in held else 'to run'}  {job.sha256[:12]}  {job.name}")
        return
    with BatchPrinter(len(asked)) as printer:
        found = gq.batch(asked, store, cluster=gq.Cluster(**cluster, retries=retries), listener=printer.row)
    echo(f"wrote {store.location('index.html')}, batch.json, junit.xml and jobs/")
    if found.exit_code:
        missed = [row for row in found.rows if row.exit_code]
        echo(f"Error: {len(missed):,} of {len(found.rows):,} jobs did not pass; the first: {_why(missed[0])}", err=True)
    sys.exit(found.exit_code)


def _why(row: Any) -> str:
    reason = row.reason or next(gate.message for gate in row.gates if not gate.passed)
    return f"{row.name}: {reason}"
