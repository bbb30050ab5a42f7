"""Where an output goes: links are followed, devices keep their place, and what cannot be written is refused at once."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gdfq_export.errors import InputError
from gdfq_export.support.files.leftovers import clear_leftovers
from gdfq_export.support.files.staged import staged

_DESCRIPTORS = {Path("/dev/stdout"): 1, Path("/dev/stderr"): 2}
_MOST_LINKS = 40


def writes_through(path: Path) -> bool:
    """Whether `path` is something that takes bytes and keeps its place: a device, a pipe, an open descriptor."""
    with _refusing(path):
        return descriptor_of(path) is not None or (path.exists() and not path.is_file() and not path.is_dir())


def require_writable(path: Path) -> None:
    """Fail before any work is done if `path` could not be written at its end; what dead runs left of it is removed.

    Raises:
        InputError: the folder does not exist or cannot be written, or `path` is a folder.
    """
    with _refusing(path):
        if path.is_dir():
            raise InputError(
                f"cannot write {path}: it is a folder; name a file in it, for instance {path / 'model.onnx'}"
            )
        if writes_through(path):
            mode = path.stat().st_mode
            if stat.S_ISBLK(mode) or stat.S_ISSOCK(mode) or not os.access(path, os.W_OK):
                raise InputError(f"cannot write {path}: it is a device you may not write to; choose another file")
            return
        _require_place(path)


def require_replaceable_folder(path: Path, marker: str) -> None:
    """Fail before any work is done if the folder `path` could not be written at its end.

    Raises:
        InputError: the folder above does not exist or cannot be written, or `path` holds other things.
    """
    with _refusing(path):
        if path.exists() and not path.is_dir():
            raise InputError(f"cannot write {path}: it is a file; name a folder")
        if path.is_dir() and not (path / marker).is_file() and any(path.iterdir()):
            raise InputError(f"cannot write {path}: it holds other files and no {marker}; name a new folder")
        _require_place(path)


def require_space(path: Path, size: int) -> None:
    """Fail if `size` bytes do not fit beside `path`.

    Raises:
        InputError: the file system has less space.
    """
    with _refusing(path):
        free = shutil.disk_usage(followed(path).parent).free
    if size > free:
        raise InputError(
            f"cannot write {path}: it takes {size:,} bytes and {free:,} are free there; free some, or choose another "
            "place"
        )


def followed(path: Path) -> Path:
    """`path` with its links followed; what they point to need not exist.

    Raises:
        InputError: they point at each other.
    """
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:  # RuntimeError before Python 3.13
        raise InputError(f"cannot write {path}: its links point at each other; choose another path") from error


def descriptor_of(path: Path) -> int | None:
    """The open descriptor that `path` names, whose file must not be replaced even where it is a regular one."""
    opened = os.path.realpath("/proc/self/fd")
    for _ in range(_MOST_LINKS):
        if path in _DESCRIPTORS:
            return _DESCRIPTORS[path]
        if path.name.isdecimal() and os.path.realpath(path.parent) == opened:
            return int(path.name)
        if not path.is_symlink():
            return None
        path = path.parent / path.readlink()
    return None


def _require_place(path: Path) -> None:
    place = followed(path)
    if not place.parent.is_dir():
        raise InputError(f"cannot write {path}: the folder {place.parent} does not exist; create it first")
    with suppress(FileNotFoundError):
        place.lstat()  # a name may be longer than the file system takes
    clear_leftovers(place)
    with staged(place):
        pass


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise InputError(f"cannot write {path}: {said}; choose a folder you may write to") from error
