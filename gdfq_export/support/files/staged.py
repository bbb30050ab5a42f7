"""A file or folder under a temporary name beside its destination, locked as long as its run is alive.

The name is `.NAME.TOKEN.gdfq-part`; outputs of one run share the token. The lock is the kernel's (flock), so that it
ends with the process, however that ends: what is not locked was left by a dead run.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gdfq_export.support.interruption import uninterrupted

PART, OLD, COMMIT = ".gdfq-part", ".gdfq-old", ".gdfq-commit"
TOKEN_DIGITS = 12
_LONGEST_NAME = 200
_here: dict[Path, int] = {}  # what this process has staged and not yet removed, and the process: a fork inherits it


def new_token() -> str:
    """What tells the outputs of one run from those of another."""
    return secrets.token_hex(TOKEN_DIGITS // 2)


def beside(place: Path, token: str, suffix: str) -> Path:
    """The name beside `place` under which a run keeps something of it; short enough for every file system."""
    name = os.fsencode(place.name)
    short = place.name if len(name) <= _LONGEST_NAME else hashlib.sha256(name).hexdigest()[:32]
    return place.parent / f".{short}.{token}{suffix}"


@contextmanager
def staged(place: Path, token: str = "", *, folder: bool = False) -> Iterator[Path]:
    """Make an empty file or folder beside `place`; what is left at its name in the end is removed.

    Raises:
        OSError: it cannot be made there.
    """
    made: list[tuple[Path, int]] = []
    try:
        while not made or not _is_still_at(*made[-1]):
            _make(beside(place, token or new_token(), PART), made, folder=folder)
        yield made[-1][0]
    finally:
        with uninterrupted():
            for path, lock in made:
                remove(path)
                os.close(lock)
                _here.pop(path, None)


@atexit.register
def _remove_all() -> None:
    """Remove what a signal left between two of Python's steps, where no block was entered or left."""
    for path, process in _here.items():
        if process == os.getpid():
            remove(path)


def locked(path: Path) -> int | None:
    """The descriptor that locks what is at `path`; None where a living process has locked it, or nothing is there.

    Only what this user owns is locked, and links are not followed.
    """
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_still_at(path, number) and os.fstat(number).st_uid == os.geteuid():
            return number
    except OSError:
        pass
    os.close(number)
    return None


def remove(path: Path) -> None:
    """Remove a file or a folder, or nothing where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _make(path: Path, made: list[tuple[Path, int]], *, folder: bool) -> None:
    """Make and lock it, and enter it in `made`; another run may have taken it for a leftover before it was locked."""
    with uninterrupted():
        if folder:
            path.mkdir(mode=0o700)
            number = os.open(path, os.O_RDONLY)
        else:
            number = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        made.append((path, number))
        _here[path] = os.getpid()
        with suppress(OSError):  # some network file systems lock nothing; then leftovers are not told apart
            fcntl.flock(number, fcntl.LOCK_EX)


def _is_still_at(path: Path, number: int) -> bool:
    opened = os.fstat(number)
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    return (found.st_dev, found.st_ino) == (opened.st_dev, opened.st_ino)
