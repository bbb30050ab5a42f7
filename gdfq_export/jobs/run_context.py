"""How a job runs, apart from what it makes: seed, device, threads, time budget, progress."""

from __future__ import annotations

import dataclasses
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

from calib.parallel.processes import ALONE, Processes
from gdfq_export.errors import BackendUnavailable
from gdfq_export.support.progress import Progress, SilentProgress


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """Settings that every job shares; all have defaults.

    Args:
        seed: random seed; the same seed, recipe and machine give the same bytes.
        device: torch device for synthesis and tuning: `auto` (a GPU where there is one), `cpu` or `cuda`.
        threads: torch's CPU threads; None takes one for a small network, and leaves them for others.
        budget_seconds: time to spend, measuring of the file included; None runs the recipe's own numbers of images and
            steps.
        begun: `time.monotonic()` when the budget began to run; None: when the job starts.
        measuring_counts: whether measuring of the file counts towards the budget.
        batch: images per run in the latency measurement.
        progress: where phases report themselves.
        checkpoint: folder in which the state of long work is kept, so that the same run goes on after an interruption;
            removed when the results are written. None keeps nothing.
        restart: discard what an earlier run left in `checkpoint`.
        processes: that make the result together, each of which runs the same job (`calib.parallel.launched`).

    Example:
        >>> RunContext(seed=1).seed
        1
    """

    seed: int = 0
    device: str = "auto"
    threads: int | None = None
    budget_seconds: float | None = None
    begun: float | None = None
    measuring_counts: bool = True
    batch: int = 1
    progress: Progress = field(default_factory=SilentProgress)
    checkpoint: Path | None = None
    restart: bool = False
    processes: Processes = ALONE

    def started(self) -> RunContext:
        """Set torch's threads, and return the context with its device resolved to `cpu` or `cuda`, and its begin.

        Raises:
            BackendUnavailable: cuda was asked for and torch sees no CUDA device.
        """
        begun = time.monotonic() if self.begun is None else self.begun
        import torch

        if self.threads is not None:
            torch.set_num_threads(self.threads)
        available = torch.cuda.is_available()
        if self.device == "cuda" and not available:
            raise BackendUnavailable(
                "--device cuda: torch sees no CUDA device; use --device cpu, or install a driver and torch's CUDA build"
            )
        device = "cuda" if self.device == "auto" and available else self.device.replace("auto", "cpu")
        return dataclasses.replace(self, device=device, begun=begun)

    def discard_checkpoint(self) -> None:
        """Remove the folder of the checkpoint: the results of the run are written."""
        if self.checkpoint is not None:
            shutil.rmtree(self.checkpoint, ignore_errors=True)
