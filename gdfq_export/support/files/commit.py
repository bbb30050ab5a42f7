"""Puts what was staged in its places: all of it or nothing.

Before the first of several renames, a file `.gdfq-export-run.TOKEN.gdfq-commit` says which they are. From then on they
are done: a run that is killed between two of them is finished by the next run that writes one of these outputs. An
error takes back those that were done.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gdfq_export.errors import InputError
from gdfq_export.support.files.exchange import exchange
from gdfq_export.support.files.staged import COMMIT, OLD, PART, beside, locked, remove, staged

RECORD = "gdfq-export-run"


@dataclass(frozen=True, slots=True)
class Move:
    """What is staged for `place` by the run `token`."""

    place: Path
    token: str

    @property
    def part(self) -> Path:
        """Where it is staged; afterwards what was replaced, until it is removed."""
        return beside(self.place, self.token, PART)

    @property
    def old(self) -> Path:
        """Where the replaced one is kept if two names cannot be exchanged."""
        return beside(self.place, self.token, OLD)


def commit(moves: Sequence[Move]) -> None:
    """Rename all or none; they are on the disk before.

    Raises:
        InputError: one cannot be renamed; says which others could not be taken back, if any.
    """
    undo: list[tuple[Move, Callable[[], None]]] = []
    with _recorded(moves):
        try:
            for move in moves:
                undo.append((move, _renamed(move)))
        except BaseException as error:
            changed = [str(move.place) for move, back in reversed(undo) if not _taken_back(back)]
            if not isinstance(error, OSError):
                raise
            state = f"{', '.join(changed)} was replaced already" if changed else "all outputs are as they were before"
            raise InputError(
                f"cannot write {moves[len(undo)].place}: {error.strerror or error}; {state}, choose another place"
            ) from error
        for move in moves:
            remove(move.old)
        for folder in {move.place.parent for move in moves}:
            flush(folder)


def finish_commits(folder: Path) -> list[str]:
    """Do the renames that killed runs had begun in `folder`; a sentence for each run.

    Raises:
        OSError: a rename cannot be done.
    """
    finished = []
    for record in sorted(folder.glob(f".{RECORD}.*{COMMIT}")):
        lock = locked(record)
        if lock is None:
            continue
        try:
            token = record.name.removeprefix(f".{RECORD}.").removesuffix(COMMIT)
            if done := [move.place for move, inode in _read(record, token) if _continued(move, inode)]:
                finished.append(f"finished what a killed run had begun to write: {', '.join(map(str, done))}")
            record.unlink(missing_ok=True)
        finally:
            os.close(lock)
    return finished


def flush(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk, where its file system can."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(number)


def flush_all(path: Path) -> None:
    """Bring a file, or a folder with all it holds, to the disk; links in it are names, and need not lead anywhere."""
    for inner in [*path.rglob("*")] if path.is_dir() else []:
        if not inner.is_symlink():
            flush(inner)
    flush(path)


def _renamed(move: Move) -> Callable[[], None]:
    """Rename one; how to take it back."""
    part, place, old = move.part, move.place, move.old
    if not os.path.lexists(place):
        os.rename(part, place)
        return lambda: os.rename(place, part)
    if place.is_dir() != part.is_dir():
        raise FileExistsError(errno.EEXIST, "it became a folder, or is one no more, since the run began")
    if exchange(part, place):
        return lambda: os.replace(part, place) if not exchange(part, place) else None
    if place.is_dir():
        os.rename(place, old)
    else:
        _keep(place, old)
    try:
        os.rename(part, place)
    except OSError:
        os.replace(old, place)
        raise

    def back() -> None:
        os.rename(place, part)
        os.rename(old, place)

    return back


def _keep(place: Path, old: Path) -> None:
    try:
        os.link(place, old)
    except OSError:  # a file system without links
        shutil.copy2(place, old)


def _taken_back(back: Callable[[], None]) -> bool:
    try:
        back()
    except OSError:
        return False
    return True


@contextmanager
def _recorded(moves: Sequence[Move]) -> Iterator[None]:
    """Keep the record of several renames, or of one that may take two steps, while they are done."""
    if len(moves) == 1 and not moves[0].part.is_dir():
        yield
        return
    folders = list(dict.fromkeys(move.place.parent for move in moves))
    records = [folder / f".{RECORD}.{moves[0].token}{COMMIT}" for folder in folders]
    with ExitStack() as stack:
        for record in reversed(records):  # the first one, which decides, is written last
            body: dict[str, Any] = {"first": os.path.relpath(records[0], record.parent)}
            if record == records[0]:
                inodes = ((move.place, os.lstat(move.part).st_ino) for move in moves)
                body = {"moves": [[os.path.relpath(place, record.parent), inode] for place, inode in inodes]}
            part = stack.enter_context(staged(record.parent / RECORD, moves[0].token))
            part.write_text(json.dumps(body), encoding="utf-8")
            flush(part)
            stack.callback(record.unlink, missing_ok=True)
            os.rename(part, record)
            flush(record.parent)
        yield


def _read(record: Path, token: str) -> list[tuple[Move, int]]:
    """The renames of a record; none where the run had not decided."""
    try:
        body = json.loads(record.read_text(encoding="utf-8"))
        if "first" in body:
            record = record.parent / body["first"]
            body = json.loads(record.read_text(encoding="utf-8"))
        places = [(Path(os.path.normpath(record.parent / place)), int(inode)) for place, inode in body["moves"]]
    except (OSError, ValueError, TypeError, KeyError):
        return []
    return [(Move(place, token), inode) for place, inode in places]


def _continued(move: Move, inode: int) -> bool:
    """Do a rename that is recorded and not yet done; whether it was done now."""
    lock = locked(move.part)
    if lock is None:
        return False
    try:
        if os.fstat(lock).st_ino != inode:
            return False
        _renamed(move)
        remove(move.part)
        remove(move.old)
        return True
    finally:
        os.close(lock)
