"""The folder of one run: its identity, and a file with the state of each piece of long work.

Every file alone is enough to go on from, since a run is decided by its identity: work whose state is missing is done
again and gives the same. Where the clock decides (a budget's number of steps), the decision is kept as soon as it is
made. The time that a run took before is counted on.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from calib.checkpoints.checkpoint import Checkpoint, State
from gdfq_export.support.checkpoints.state_file import PART, CheckpointError, read_facts, read_state, write_state
from gdfq_export.support.interruption import asked_to_end, end_of_step, finishing_steps

RUN, LOCK, SUFFIX = "run.json", "lock", ".safetensors"
FORMAT = 1
OPTION = "--restart"

_STEP_SECONDS = 10.0  # between two states of one loop
_FINISH_SECONDS = 0.5  # shorter work is done again
_COST = 40  # times the seconds of writing a state pass before the next: 2.5 % of the time


class RunFolder:
    """Checkpoints of a run in a folder that no other process uses at the same time.

    Args:
        path: made if it is missing; the folder above it exists.
        identity: everything that decides what the run makes, by names that messages use; JSON data.
        restart: discard what an earlier run left.

    Attributes:
        seconds_before: that the run took in earlier parts, up to the last state kept.
        phases_before: the same by phase.
        phases: gives the seconds of each phase now; to be set by who counts them.

    Raises:
        CheckpointError: the folder holds the state of another run or something else, another process uses it, or it
            cannot be written.
    """

    def __init__(self, path: Path, identity: Mapping[str, Any], *, restart: bool = False) -> None:
        self.path = path
        self.remedy = f"give {OPTION} to begin anew, or remove {path}"
        self.phases: Callable[[], Mapping[str, float]] = dict
        self._working = ExitStack()
        self._began = time.monotonic()
        self._last_write, self._write_seconds = self._began, 0.0
        self._lock = self._open(identity, restart)
        nothing: Mapping[str, Any] = {"seconds": 0.0, "phases": {}}
        before = [read_facts(file, self.remedy) for file in self.path.glob(f"*{SUFFIX}")]
        latest = max(before, key=lambda facts: float(facts["seconds"]), default=nothing)
        self.seconds_before = float(latest["seconds"])
        self.phases_before: dict[str, float] = dict(latest["phases"])

    @property
    def kept(self) -> bool:
        """Whether there is a state to go on from."""
        return any(self.path.glob(f"*{SUFFIX}"))

    @property
    def continued(self) -> bool:
        """Whether there was a state to go on from when the folder was opened."""
        return self.seconds_before > 0

    def of(self, name: str) -> Checkpoint:
        """The checkpoint of the piece of work called `name`."""
        return _FileCheckpoint(self, self.path / (re.sub(r"[^\w.-]+", "_", name) + SUFFIX))

    def discard(self) -> None:
        """Remove the folder: its run is complete."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.close()

    def close(self) -> None:
        """Let another process use the folder; one without any state is removed."""
        if not self._lock.closed and not self.kept:
            shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()

    def write(self, path: Path, state: State) -> None:
        """Keep a state at `path`, and what the run took so far.

        Raises:
            OSError: the disk is full, or the folder cannot be written any more.
        """
        started = time.monotonic()
        seconds = self.seconds_before + started - self._began
        write_state(path, state, {"seconds": seconds, "phases": dict(self.phases())})
        self._last_write = time.monotonic()
        self._write_seconds = self._last_write - started

    def due(self, seconds: float) -> bool:
        """Whether that much time has passed since the last state, and enough for writing to cost little."""
        return time.monotonic() - self._last_write >= max(seconds, _COST * self._write_seconds)

    def enter(self) -> None:
        """Let the first signal wait for the end of a step, until `leave`."""
        self.leave()
        self._working.enter_context(finishing_steps())

    def leave(self) -> None:
        """Let a signal end the work at once; nothing is under way that keeps its state.

        Raises:
            Interrupted: a signal has come.
        """
        self._working.close()

    def _open(self, identity: Mapping[str, Any], restart: bool) -> IO[str]:
        try:
            self._require_own()
            self.path.mkdir(exist_ok=True)
            lock = (self.path / LOCK).open("a+", encoding="utf-8")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                lock.close()
                raise CheckpointError(
                    f"another process works with the checkpoint {self.path}; wait for it, or name another folder with "
                    "--checkpoint"
                ) from error
            self._take_over(dict(identity), restart)
        except OSError as error:
            raise CheckpointError(
                f"cannot write the checkpoint {self.path}: {error.strerror or error}; name another folder with "
                "--checkpoint, or give --no-checkpoint"
            ) from error
        return lock

    def _require_own(self) -> None:
        """Refuse a file, and a folder that holds anything but a run."""
        if not self.path.exists():
            return
        if not self.path.is_dir() or (any(self.path.iterdir()) and not is_run_folder(self.path)):
            raise CheckpointError(
                f"{self.path} is no folder of checkpoints; name another one with --checkpoint, or give --no-checkpoint"
            )

    def _take_over(self, identity: dict[str, Any], restart: bool) -> None:
        """Compare with what is there; clean up what a dead process left half written."""
        run, identity = self.path / RUN, json.loads(json.dumps(identity))
        if run.exists() and not restart:
            if differing := _differences(read_identity(run, self.remedy), identity):
                raise CheckpointError(
                    f"the checkpoint {self.path} is of another run: {', '.join(differing)}; give the same again to go "
                    f"on, or {OPTION} to begin anew"
                )
        else:
            for file in self.path.glob(f"*{SUFFIX}"):
                file.unlink()
            part = run.with_name(run.name + PART)
            part.write_text(json.dumps({"format": FORMAT, "identity": identity}, indent=2) + "\n", encoding="utf-8")
            os.replace(part, run)
        for part in self.path.glob(f"*{PART}"):
            part.unlink()


class _FileCheckpoint:
    """The state of one piece of work, in one file."""

    def __init__(self, folder: RunFolder, path: Path) -> None:
        self._folder = folder
        self._path = path
        self._current = False  # whether the file holds what the work has come to

    def load(self) -> State | None:
        """The state that was kept last; from now on a signal waits for the end of a step."""
        self._folder.enter()
        state = self.kept()
        self._current = state is not None
        return state

    def step(self, state: Callable[[], State]) -> None:
        """Keep the state if it is time to, or if the work ends here.

        Raises:
            Interrupted: a signal came during the step.
        """
        self._current = asked_to_end() or self._folder.due(_STEP_SECONDS)
        if self._current:
            self._folder.write(self._path, state())
        end_of_step()

    def finish(self, state: Callable[[], State]) -> None:
        """Keep the result, unless it was made in no time.

        Raises:
            Interrupted: a signal came during the step.
        """
        worth_it = asked_to_end() or self._path.exists() or self._folder.due(_FINISH_SECONDS)
        if not self._current and worth_it:
            self._folder.write(self._path, state())
        self._folder.leave()

    def keep(self, state: State) -> None:
        """Keep what cannot be computed again, whatever it costs."""
        self._folder.write(self._path, state)

    def kept(self) -> State | None:
        """What is in the file."""
        return read_state(self._path, self._folder.remedy) if self._path.exists() else None


def is_run_folder(path: Path) -> bool:
    """Whether `path` is a folder of checkpoints."""
    return (path / RUN).is_file() or [file.name for file in path.iterdir()] == [LOCK]


def read_identity(run: Path, remedy: str) -> dict[str, Any]:
    """The identity in a file `run.json`.

    Raises:
        CheckpointError: it cannot be read, or another version wrote it.
    """
    try:
        body = json.loads(run.read_text(encoding="utf-8"))
        if body["format"] == FORMAT and isinstance(body["identity"], dict):
            return dict(body["identity"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"the checkpoint {run.parent} is damaged: {RUN} cannot be read; {remedy}") from error
    raise CheckpointError(f"the checkpoint {run.parent} has a format that is not known here; {remedy}")


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs, by name, with both values where they are short."""
    found = []
    for name in dict.fromkeys([*before, *now]):
        old, new = before.get(name), now.get(name)
        if old != new:
            short = len(f"{old}{new}") < 100
            found.append(f"{name} was {old} and is {new}" if short else f"{name} differs")
    return found
