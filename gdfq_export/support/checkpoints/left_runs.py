"""Checkpoints that interrupted runs have left in a folder: found, described, and removed on request."""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gdfq_export.errors import InputError
from gdfq_export.support.checkpoints.run_folder import LOCK, RUN, SUFFIX, read_identity
from gdfq_export.support.checkpoints.state_file import CheckpointError, read_facts

_DEEPEST = 3  # folders below the one that is searched: a comparison's cells are two below its own


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftRun:
    """The checkpoint of a run that has not come to its end.

    Attributes:
        path: its folder.
        identity: of the run, by name; empty where it cannot be read.
        running: whether a process works with it now.
        seconds: of work that is kept.
        bytes: on the disk.
        age_seconds: since it was written last.
    """

    path: Path
    identity: dict[str, Any]
    running: bool
    seconds: float
    bytes: int
    age_seconds: float


def left_runs(folder: Path) -> list[LeftRun]:
    """The checkpoints in `folder` and up to three folders below it, the one that was written last first.

    Raises:
        InputError: `folder` is none, or cannot be read.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; give the one that outputs were written to")
    try:
        found = [_described(path) for path in _run_folders(folder, _DEEPEST)]
    except OSError as error:
        raise InputError(
            f"cannot read {error.filename or folder}: {error.strerror or error}; check its rights"
        ) from error
    return sorted(found, key=lambda run: run.age_seconds)


def remove(run: LeftRun) -> bool:
    """Remove the folder unless a process works with it; whether it is gone."""
    if not _running(run.path):
        shutil.rmtree(run.path, ignore_errors=True)
    return not run.path.exists()


def _run_folders(folder: Path, deep: int) -> Iterator[Path]:
    if (folder / RUN).is_file() and (folder / LOCK).is_file():
        yield folder
    elif deep:
        for below in folder.iterdir():
            if below.is_dir() and not below.is_symlink():
                yield from _run_folders(below, deep - 1)


def _described(path: Path) -> LeftRun:
    files = [file for file in path.iterdir() if file.is_file()]
    states = [file for file in files if file.suffix == SUFFIX]
    try:
        identity = read_identity(path / RUN, "")
        seconds = max((float(read_facts(file, "")["seconds"]) for file in states), default=0.0)
    except (CheckpointError, KeyError, TypeError, ValueError):
        identity, seconds = {}, 0.0
    return LeftRun(
        path=path,
        identity=identity,
        running=_running(path),
        seconds=seconds,
        bytes=sum(file.stat().st_size for file in files),
        age_seconds=max(0.0, time.time() - max(file.stat().st_mtime for file in files)),
    )


def _running(path: Path) -> bool:
    with (path / LOCK).open("a", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
