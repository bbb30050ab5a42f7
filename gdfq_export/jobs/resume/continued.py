"""A run with checkpoints: it goes on where an interrupted one stopped, and says so where it is interrupted itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from calib.checkpoints.checkpoint import Checkpoint, Checkpoints, NoCheckpoints
from calib.parallel.processes import Processes
from calib.parallel.shared_checkpoints import SharedCheckpoints
from gdfq_export.jobs.run_context import RunContext
from gdfq_export.support.checkpoints.run_folder import RunFolder
from gdfq_export.support.interruption import Interrupted
from gdfq_export.support.progress import Progress


@contextmanager
def continued(run: RunContext, identity: Mapping[str, Any]) -> Iterator[RunContext]:
    """Give the run its checkpoints and processes while the block lasts; without `run.checkpoint` nothing is kept.

    Of several processes the first one keeps the state, and all go on from it.

    Yields:
        The run, which began earlier by the time that its parts before took.

    Raises:
        CheckpointError: the folder is of another run, in use, damaged, or cannot be written.
        Interrupted: a signal came; says how to go on, where a state was kept.
    """
    with shared_by(run.progress, run.processes):
        if run.checkpoint is None:
            yield run
        elif run.processes.first:
            with _kept(run, run.checkpoint, identity) as continued_run:
                yield continued_run
        else:
            run.progress.checkpoints = SharedCheckpoints(NoCheckpoints(), run.processes)
            yield run


@contextmanager
def shared_by(progress: Progress, processes: Processes) -> Iterator[None]:
    """Let processes share the work of the block, whose progress is shown by the first of them."""
    before = progress.processes, progress.checkpoints
    progress.processes = processes
    try:
        yield
    finally:
        progress.processes, progress.checkpoints = before


@contextmanager
def _kept(run: RunContext, path: Path, identity: Mapping[str, Any]) -> Iterator[RunContext]:
    """Keep the state of the run in a folder while the block lasts."""
    folder, progress = RunFolder(path, identity, restart=run.restart), run.progress
    folder.phases = progress.seconds_so_far
    progress.seconds.update(folder.phases_before)
    progress.checkpoints = folder if run.processes.size == 1 else SharedCheckpoints(folder, run.processes)
    if folder.continued:
        progress.note(
            f"going on from the checkpoint {folder.path}: {folder.seconds_before:.0f} s of work are kept in it"
        )
    try:
        yield run if run.begun is None else dataclasses.replace(run, begun=run.begun - folder.seconds_before)
    except Interrupted as interrupted:
        if folder.kept:
            interrupted.go_on = f"the same command goes on where this one stopped, from {folder.path}"
        raise
    finally:
        folder.close()


@contextmanager
def part_of_run(progress: Progress, name: str) -> Iterator[None]:
    """Keep what is done in the block apart from other parts of the run that do the same."""
    whole = progress.checkpoints
    progress.checkpoints = _Part(whole, name)
    try:
        yield
    finally:
        progress.checkpoints = whole


class _Part:
    """Checkpoints whose names begin with the name of a part."""

    def __init__(self, whole: Checkpoints, name: str) -> None:
        self._whole = whole
        self._name = name

    def of(self, name: str) -> Checkpoint:
        """The checkpoint of a piece of work in this part."""
        return self._whole.of(f"{self._name} {name}")

    def leave(self) -> None:
        """Report that no piece of work is under way."""
        self._whole.leave()
