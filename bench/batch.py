"""Small jobs in one batch and by a shell loop of `gdfq-export quantize`: seconds of both, and whether bytes are equal.

    python -m bench.batch --out bench/results/batch.json

The loop runs its first half before the batch and the rest behind it, so that a machine that gets busier harms both.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from gdfq_export.jobs.batch.job import Job
from gdfq_export.jobs.batch.jobs_file import read_jobs
from gdfq_export.jobs.batch.store import MODEL, Store
from gdfq_export.runtimes.environment.machine import this_machine

RECIPES = ("w8a8", "w4a8", "w4a4", "paper/noise")


def command(*words: str | Path) -> float:
    """Seconds of a command of the tool."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "gdfq_export", *map(str, words)], check=True, capture_output=True)
    return time.perf_counter() - began


def loop(jobs: Sequence[Job], folder: Path) -> float:
    """Seconds of one process for each job; files are named by the jobs' hashes."""
    seconds = 0.0
    for job in jobs:
        options = ("--recipe", job.recipe.name, "--seed", str(job.seed), "--threads", "1", "--device", "cpu")
        report = folder / f"{job.sha256}.json"
        seconds += command("quantize", *options, "--onnx-out", folder / f"{job.sha256}.onnx", "--report", report)
    return seconds


def measure(folder: Path, recipes: Sequence[str], seeds: int, workers: int) -> dict[str, Any]:
    """Both ways, with what they wrote below `folder`."""
    grid, out = folder / "jobs.yaml", folder / "out"
    content = {"networks": ["demo"], "recipes": [*recipes], "seeds": [*range(seeds)], "device": "cpu"}
    grid.write_text(yaml.safe_dump(content), encoding="utf-8")
    jobs, half = read_jobs(grid), len(recipes) * seeds // 2
    alone = loop(jobs[:half], folder)
    together = command("batch", grid, "--out", out, "--workers", str(workers))
    alone += loop(jobs[half:], folder)
    store = Store(str(out))
    equal = [store.read(job.sha256, MODEL) == (folder / f"{job.sha256}.onnx").read_bytes() for job in jobs]
    return {
        "jobs": len(jobs),
        "workers": workers,
        "loop_seconds": alone,
        "batch_seconds": together,
        "ratio": together / alone,
        "equal_files": sum(equal),
        "different": [job.name for job, same in zip(jobs, equal, strict=True) if not same],
        "load_1min": this_machine().load_1min,
        "cpu": this_machine().cpu,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--recipes", nargs="+", default=RECIPES)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), given.recipes, given.seeds, given.workers)
    given.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(
        f"{found['jobs']} jobs: batch {found['batch_seconds']:.1f} s, loop {found['loop_seconds']:.1f} s, ratio "
        f"{found['ratio']:.2f}; {found['equal_files']} of {found['jobs']} files are equal"
    )


if __name__ == "__main__":
    main()
