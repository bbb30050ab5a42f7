"""What a fleet's simulation is fed with, measured on this machine: Dask's time per task, imports, loading, writing."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.fleet_simulation import SimulatedJob
from bench.results_file import FOLDER

_TASKS, _WARM_UP = 2000, 200
_REPEATS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Seconds on this machine.

    Attributes:
        task: CPU seconds of Dask's scheduler, and of the client in the same process, for a task that does nothing.
        task_wall: wall-clock seconds of the same, two workers beside it on this machine's cores.
        imports: of a process up to where it can run a job, the least of a few.
        load: of the demo network with its teacher, in a process that has imported everything.
        write: of the files of one job into a folder, brought to the disk.
        tasks: how many were timed.
    """

    task: float
    task_wall: float
    imports: float
    load: float
    write: float
    tasks: int


def measure() -> Measured:
    """Measure; takes about a minute."""
    task, task_wall = _dask_task()
    return Measured(task=task, task_wall=task_wall, imports=_imports(), load=_load(), write=_write(), tasks=_TASKS)


def _nothing(number: int) -> int:
    return number


def _dask_task() -> tuple[float, float]:
    """CPU and wall-clock seconds for each task, with the scheduler in this process and two workers beside it."""
    from distributed import Client, LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        client.gather(client.map(_nothing, range(_WARM_UP), pure=False))
        cpu, wall = time.process_time(), time.perf_counter()
        client.gather(client.map(_nothing, range(_TASKS), pure=False))
        return (time.process_time() - cpu) / _TASKS, (time.perf_counter() - wall) / _TASKS


def _imports() -> float:
    program = "import gdfq_export; gdfq_export.quantize; import torch, onnxruntime"
    return min(_seconds([sys.executable, "-c", program]) for _ in range(_REPEATS))


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - began


def _load() -> float:
    import gdfq_export as gq

    gq.load(None)
    times = []
    for _ in range(_REPEATS):
        began = time.perf_counter()
        gq.load(None)
        times.append(time.perf_counter() - began)
    return min(times)


def _write() -> float:
    """A network of 300 KB, its report and its page, as the store of a folder writes them."""
    from gdfq_export.support.files import write_files

    times = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(10):
            files = {Path(folder) / f"{number}-{name}": b"x" * size for name, size in _FILES.items()}
            began = time.perf_counter()
            write_files(files)
            times.append(time.perf_counter() - began)
    return statistics.median(times)


_FILES = {"model.onnx": 300_000, "report.json": 60_000, "report.html": 250_000, "job.json": 4_000}


def measured_cells() -> dict[str, list[float]]:
    """Seconds of every job of `bench/accuracy.py` by network, verification included: one thread, this kind of CPU."""
    cells: dict[str, list[float]] = {}
    for path in sorted((FOLDER / "accuracy").glob("*-ours-*.json")):
        body: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(seconds := body.get("seconds"), dict):
            cells.setdefault(body["network"], []).append(seconds["with_verification"])
    return cells


def draw_jobs(cells: dict[str, list[float]], *, jobs: int, networks: int, seed: int = 0) -> list[SimulatedJob]:
    """Jobs of `networks` networks, each like one that was measured; every job has the seconds of one of its cells."""
    drawn = np.random.default_rng(seed)
    kinds = list(cells)
    found = []
    for number in range(jobs):
        network = number % networks
        seconds = cells[kinds[network % len(kinds)]]
        found.append(SimulatedJob(network=f"network {network}", seconds=float(drawn.choice(seconds))))
    return found
