"""A batch of 12 jobs whose worker, then whose scheduler is killed: run again, it ends with the table of another run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import yaml

import gdfq_export as gq
from gdfq_export.jobs.batch.store import Store
from gdfq_export.jobs.cluster.work import Cluster
from tests.jobs.batch.grids import QUICK, table, write_grid

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "OMP_NUM_THREADS": "1"}
LONGEST = 600  # seconds, on a machine that is busy with other work
RUNNING = 2  # jobs at most that the kills end


@contextmanager
def process(*words: str | Path) -> Iterator[subprocess.Popen[str]]:
    """A Python process that is killed at the end of the block."""
    command = [sys.executable, "-m", *map(str, words)]
    started = subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


def wait_for(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + LONGEST
    while not condition():
        assert time.monotonic() < ends, "it takes too long"
        time.sleep(0.02)


@pytest.mark.slow
def test_a_worker_then_the_scheduler_are_killed(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    grid = write_grid(tmp_path, networks=3, seeds=(0, 1, 2, 3))
    verify = {"agreement_images": 4096, "parity_images": 1024, "latency_seconds": 0}  # long enough to be killed in
    (tmp_path / "quick.yaml").write_text(yaml.safe_dump({**QUICK, "verify": verify}))
    gq.batch(grid, tmp_path / "undisturbed", cluster=Cluster(workers=1))
    disturbed, where = Store(str(tmp_path / "disturbed")), tmp_path / "scheduler.json"
    with ExitStack() as stack:
        scheduler = stack.enter_context(
            process("dask", "scheduler", "--scheduler-file", where, "--port", "0", "--no-dashboard")
        )
        wait_for(where.exists)
        options = ("--scheduler-file", where, "--nthreads", "1", "--no-nanny", "--no-dashboard")
        workers = [stack.enter_context(process("dask", "worker", *options)) for _ in range(2)]
        asked = ("gdfq_export", "batch", grid, "--out", disturbed.address, "--scheduler", where)
        batch = stack.enter_context(process(*asked))
        wait_for(lambda: len(disturbed.complete()) >= 3)
        workers[0].send_signal(signal.SIGKILL)
        done_before = len(disturbed.complete())
        wait_for(lambda: len(disturbed.complete()) >= done_before + 2)
        scheduler.send_signal(signal.SIGKILL)
        said = batch.communicate(timeout=LONGEST)[1]
    assert batch.returncode == 3, said
    assert "was lost" in said and "of 12 jobs are done in" in said
    held = disturbed.complete()
    assert len(held) < 12

    with process("gdfq_export", "batch", grid, "--out", disturbed.address, "--workers", "2") as again:
        said = again.communicate(timeout=LONGEST)[1]
    assert again.returncode == 0, said
    assert table(tmp_path / "disturbed") == table(tmp_path / "undisturbed")
    begun = Counter(disturbed.executions())
    assert len(begun) == 12 and sum(begun.values()) - 12 <= RUNNING
    assert [job for job in held if begun[job] > 1 + RUNNING] == []
