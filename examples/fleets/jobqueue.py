"""A batch on a cluster with a queue: python jobqueue.py slurm|pbs|lsf jobs.yaml STORE [NODES].

The scheduler runs here, and each node of the queue runs one worker per core. STORE is a folder that all nodes see, or
s3://bucket/folder. Needs gdfq-export[fleet] and dask-jobqueue, here and on the nodes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from dask_jobqueue import LSFCluster, PBSCluster, SLURMCluster
from dask_jobqueue.core import JobQueueCluster

CORES, MEMORY_GB = 8, 32
OF_A_WORKER = f"memory={1e9 * MEMORY_GB / CORES:.0f} cores=1"  # what gdfq-export asks for, by a network's size
QUEUES = {
    "slurm": (SLURMCluster, {"queue": "cpu", "walltime": "04:00:00"}),
    "pbs": (PBSCluster, {"queue": "cpu", "walltime": "04:00:00"}),
    "lsf": (LSFCluster, {"queue": "cpu", "walltime": "04:00"}),
}


def make_cluster(queue: str) -> JobQueueCluster:
    """The cluster of a queue, without nodes so far."""
    kind, settings = QUEUES[queue]
    return kind(
        cores=CORES,
        processes=CORES,  # one thread each: a process runs one job at a time
        memory=f"{MEMORY_GB}GB",
        worker_extra_args=["--resources", f"'{OF_A_WORKER}'"],
        job_script_prologue=["export OMP_NUM_THREADS=1"],
        scheduler_options={"dashboard": False},
        **settings,
    )


def main(queue: str, jobs: str, store: str, nodes: str = "4") -> int:
    """Run the batch; its exit code."""
    import gdfq_export as gq

    with make_cluster(queue) as cluster:
        cluster.scale(jobs=int(nodes))
        found = gq.batch(Path(jobs), store, cluster=gq.Cluster(scheduler=cluster.scheduler_address))
    for row in found.rows:
        print(row.name, row.verdict)
    return found.exit_code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
