"""`run_batch()`: all jobs, those that the store does not hold on a cluster; the pages of the whole in the store."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

from gdfq_export.errors import BackendUnavailable, GdfqExportError, InternalError
from gdfq_export.jobs.batch.job import Job
from gdfq_export.jobs.batch.network_cache import loaded
from gdfq_export.jobs.batch.run_job import failed_row, run_job, stored_row
from gdfq_export.jobs.batch.store import Store
from gdfq_export.jobs.cluster.run_work import run_work
from gdfq_export.jobs.cluster.work import Cluster, Done, Functions, Work, memory_for
from gdfq_export.report.batch.batch import Batch
from gdfq_export.report.batch.row import BatchRow
from gdfq_export.support.interruption import Interrupted
from gdfq_export.support.text import counted
from gdfq_export.views.html.batch import render_batch
from gdfq_export.views.junit import batch_junit_xml

INDEX, JUNIT, JSON = "index.html", "junit.xml", "batch.json"

Listener = Callable[[BatchRow, bool], None]
"""Is told of each job: its row, and whether it ran now."""


def run_batch(jobs: Sequence[Job], store: Store, cluster: Cluster, listener: Listener | None = None) -> Batch:
    """Run the jobs that the store does not hold; write `index.html`, `junit.xml` and `batch.json` into it.

    A job that cannot be run is a row with its reason, and never stops the others. Each job is committed by the worker
    that ran it, so that whatever is interrupted loses what was running, and the same call goes on.

    Args:
        jobs: from `read_jobs` or `make_job`.
        store: of the results.
        cluster: where jobs run.
        listener: is told of each job.

    Raises:
        InputError: the store cannot be used.
        BackendUnavailable: the cluster cannot be used, or was lost.
    """
    store.require_usable()
    rows = _Rows(jobs, store, listener)
    try:
        _run_all(rows, cluster)
    except Interrupted as interrupted:
        interrupted.go_on = f"the same command goes on where this one stopped; {rows.state}"
        raise
    except BackendUnavailable as lost:
        raise BackendUnavailable(f"{lost}; {rows.state}") from lost
    finally:
        batch = rows.batch
        store.write({INDEX: render_batch(batch), JUNIT: batch_junit_xml(batch), JSON: batch.to_json()})
    return batch


class _Rows:
    """The rows so far."""

    def __init__(self, jobs: Sequence[Job], store: Store, listener: Listener | None) -> None:
        self.jobs = jobs
        self.store = store
        self._listener = listener
        self._rows: dict[str, BatchRow] = {}

    def add(self, job: Job, row: BatchRow, *, ran: bool) -> None:
        """Take a row, and tell of it."""
        self._rows[job.sha256] = row
        if self._listener is not None:
            self._listener(row, ran)

    @property
    def batch(self) -> Batch:
        """The rows in the order of the jobs."""
        rows = tuple(self._rows[job.sha256] for job in self.jobs if job.sha256 in self._rows)
        return Batch(rows=rows, total=len(self.jobs))

    @property
    def state(self) -> str:
        """How many are done, and where."""
        return f"{len(self._rows):,} of {counted(len(self.jobs), 'job')} are done in {self.store.address}"


def _run_all(rows: _Rows, cluster: Cluster) -> None:
    """Rows of what is held and of what is refused, then of what the cluster runs."""
    store = rows.store
    held = store.complete()
    missing: dict[str, Job] = {}
    for job in rows.jobs:
        if job.sha256 in held:
            rows.add(job, _held_row(job, store), ran=False)
        elif job.refused is not None:
            rows.add(job, run_job(job, store), ran=True)
        else:
            missing[job.sha256] = job
    functions = Functions(run=functools.partial(_run, store), prepare=_prepare)
    work = [_work(job) for job in _by_network([*missing.values()])]
    for done in run_work(functions, work, cluster):
        job = missing[done.work.key]
        rows.add(job, _row_of(job, done), ran=True)


def _run(store: Store, job: Job) -> BatchRow:
    return run_job(job, store)


def _prepare(job: Job) -> None:
    loaded(job.network, job.identity.network_sha256)


def _held_row(job: Job, store: Store) -> BatchRow:
    try:
        row = stored_row(job, store)
    except GdfqExportError as error:
        return failed_row(job, str(error), error.exit_code)
    assert row is not None, "the store holds it"
    return row


def _row_of(job: Job, done: Done) -> BatchRow:
    """The row of a job that ran; of one that a defect or the death of its workers ended, with what is known of it."""
    if done.error is None:
        row: BatchRow = done.value
        return row
    said = " ".join(str(done.error).split())[:500]
    if type(done.error).__name__ == "KilledWorker":
        said = "every worker that ran it died, perhaps for want of memory; give workers more, or fewer of them"
    else:
        said = f"internal error: {type(done.error).__name__}: {said}; gdfq-export quantize shows its traceback"
    return failed_row(job, said, InternalError.exit_code)


def _by_network(jobs: Sequence[Job]) -> list[Job]:
    """Those of one network side by side, so that a worker keeps it."""
    order = {job.identity.network_sha256: number for number, job in reversed(list(enumerate(jobs)))}
    return sorted(jobs, key=lambda job: order[job.identity.network_sha256])


def _work(job: Job) -> Work:
    path: Path | None = job.network.path
    size = path.stat().st_size if path is not None and path.is_file() else 0
    shared = job.identity.network_sha256
    return Work(key=job.sha256, argument=job, shared=shared, memory=memory_for(size), cores=job.threads or 1)
