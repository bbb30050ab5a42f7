"""Many networks by many recipes, targets and seeds, on this machine or a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gdfq_export.jobs.batch.job import Job
from gdfq_export.jobs.batch.jobs_file import read_jobs
from gdfq_export.jobs.batch.run_batch import Listener, run_batch
from gdfq_export.jobs.batch.store import Store
from gdfq_export.jobs.cluster.work import Cluster
from gdfq_export.report.batch.batch import Batch


def batch(
    jobs: str | Path | Sequence[Job],
    out: str | Path | Store,
    *,
    cluster: Cluster | None = None,
    listener: Listener | None = None,
) -> Batch:
    """Quantize many networks; jobs that `out` holds already are not run again.

    Args:
        jobs: a file `jobs.yaml`, or jobs.
        out: a folder, or an address that fsspec opens (`s3://bucket/folder`).
        cluster: where jobs run; None: on this machine, as many processes as its cores and memory allow.
        listener: is told of each job, and whether it ran now.

    Returns:
        A row for each job, with its figures or the reason why it could not be run; `exit_code` is the worst.

    Raises:
        InputError: the file of jobs or `out` cannot be used.
        BackendUnavailable: Dask is not installed, or its scheduler cannot be reached.

    Example:
        >>> import gdfq_export as gq
        >>> found = gq.batch("jobs.yaml", "results")  # doctest: +SKIP
        >>> [row.verdict for row in found.rows]  # doctest: +SKIP
        ['passed', 'failed']
    """
    asked = read_jobs(Path(jobs)) if isinstance(jobs, str | Path) else jobs
    store = out if isinstance(out, Store) else Store(str(out))
    return run_batch(asked, store, cluster or Cluster(), listener)
