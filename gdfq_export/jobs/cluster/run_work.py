"""`run_work()`: every piece of work, in this process or on Dask, each as soon as it is done.

Dask assigns, balances and retries. What is shared (a network) is a task of its own that leaves a small `Shared` on its
worker, declared to be expensive to move: Dask then prefers that worker for all that depends on it, and steals work
only where this makes it end sooner.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from gdfq_export.errors import BackendUnavailable
from gdfq_export.jobs.cluster.work import Cluster, Done, Functions, Work, local_workers

_MOVING = 10**8  # bytes that Dask reckons with; importing a network takes about as long as moving so many
_CONNECT_SECONDS = 15


log = logging.getLogger(__name__)


class Shared:
    """Stands for what a worker has prepared."""

    def __sizeof__(self) -> int:
        """Bytes that Dask reckons with where it would move it."""
        return _MOVING


def run_work(functions: Functions, work: Sequence[Work], cluster: Cluster) -> Iterator[Done]:
    """Run all work and give each piece when it is done.

    Args:
        functions: what is done.
        work: the pieces, those that share something side by side.
        cluster: where it runs.

    Raises:
        BackendUnavailable: Dask is not installed, or the scheduler cannot be reached or was lost.
    """
    if not work:
        return
    workers = local_workers(work, cluster.workers)
    if cluster.scheduler is None and workers == 1:
        for each in work:
            yield _here(functions, each)
        return
    with _client(cluster, workers) as client:
        yield from _on_dask(client, functions, work, cluster)


def _here(functions: Functions, work: Work) -> Done:
    try:
        return Done(work=work, value=functions.run(work.argument))
    except Exception as error:  # a defect in one piece leaves the others alone
        return Done(work=work, error=error)


def _on_dask(client: Any, functions: Functions, work: Sequence[Work], cluster: Cluster) -> Iterator[Done]:
    from concurrent.futures import CancelledError

    from distributed import as_completed

    first = {each.shared: each for each in reversed(work) if each.shared}
    prepared = {
        shared: client.submit(_prepare, functions, each.argument, key=f"prepare-{shared}", retries=cluster.retries)
        for shared, each in first.items()
    }
    limits = _declared(client)
    futures = {
        client.submit(
            _run,
            functions,
            each.argument,
            prepared.get(each.shared),
            key=f"job-{each.key}",
            retries=cluster.retries,
            resources={name: min(amount, limits[name]) for name, amount in _needs(each).items() if name in limits},
        ): each
        for each in work
    }
    try:
        for future in as_completed(list(futures)):
            if future.status == "cancelled":
                raise _lost(cluster)
            error = future.exception() if future.status == "error" else None
            value = None if error is not None else future.result()
            yield Done(work=futures[future], value=value, error=error)
            future.release()
    except (CancelledError, OSError, TimeoutError) as error:
        raise _lost(cluster) from error


def _run(functions: Functions, argument: Any, shared: Shared | None) -> Any:
    del shared
    return functions.run(argument)


def _prepare(functions: Functions, argument: Any) -> Shared:
    with suppress(Exception):  # the work itself says what is wrong
        functions.prepare(argument)
    return Shared()


def _needs(work: Work) -> dict[str, float]:
    return {"memory": work.memory, "cores": work.cores}


def _declared(client: Any) -> dict[str, float]:
    """The largest amount of each resource that a worker declares; what none declares is not asked for."""
    limits: dict[str, float] = {}
    for worker in client.scheduler_info(n_workers=-1)["workers"].values():
        for name, amount in worker.get("resources", {}).items():
            limits[name] = max(amount, limits.get(name, 0.0))
    return limits


@contextmanager
def _client(cluster: Cluster, workers: int) -> Iterator[Any]:
    """A client of the scheduler, or of a cluster of processes that end with the block."""
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise BackendUnavailable(
            "several workers need Dask, which is not installed; pip install 'gdfq-export[fleet]', or use --workers 1"
        ) from error
    if not log.isEnabledFor(logging.DEBUG):
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
    quiet = {"distributed.comm.timeouts.connect": f"{_CONNECT_SECONDS}s", "distributed.admin.tick.limit": "1h"}
    with dask.config.set(quiet):
        if cluster.scheduler is None:
            local: dict[str, Any] = {
                "n_workers": workers,
                "threads_per_worker": 1,
                "processes": True,
                "memory_limit": 0,
            }
            local |= {"scheduler_kwargs": {"dashboard": False}, "silence_logs": logging.CRITICAL}
            with LocalCluster(**local) as here, Client(here) as client:
                yield client
            return
        where = cluster.scheduler
        given = {"scheduler_file": where} if where.endswith(".json") else {"address": where}
        try:
            client = Client(**given, timeout=_CONNECT_SECONDS)
        except (OSError, TimeoutError, ValueError) as error:
            raise BackendUnavailable(
                f"no Dask scheduler answers at {where} ({type(error).__name__}); start one with `dask scheduler`, or "
                "leave out --scheduler"
            ) from error
        try:
            client.wait_for_workers(1)
            yield client
        finally:
            with suppress(Exception):  # of a scheduler that is gone nothing can be asked
                client.close(timeout=2)


def _lost(cluster: Cluster) -> BackendUnavailable:
    where = cluster.scheduler or "of this machine"
    return BackendUnavailable(
        f"the connection to the Dask scheduler {where} was lost; what is done is kept, and the same command goes on "
        "from there"
    )
