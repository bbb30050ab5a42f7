"""Files that are whole or absent: outputs are written beside their destination and renamed over it."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gdfq_export.errors import InputError

__all__ = ["atomic_folder", "atomic_output", "require_replaceable_folder", "require_writable", "sha256_file"]


def require_writable(path: Path) -> None:
    """Fail before any work is done if `path` could not be written at its end.

    Raises:
        InputError: the folder does not exist or cannot be written, or `path` is a folder.
    """
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder; name a file in it, for instance {path / 'model.onnx'}")
    folder = path.parent
    if not folder.is_dir():
        raise InputError(f"cannot write {path}: the folder {folder} does not exist; create it first")
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=f".{path.name}.", suffix=".probe"):
            pass
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}; choose a folder you may write to") from error


@contextmanager
def atomic_output(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it over `path` if the block ends well, remove it otherwise.

    Raises:
        InputError: the destination cannot be written.
    """
    require_writable(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path, *, marker: str) -> Iterator[Path]:
    """Yield an empty folder beside `path`; put it in the place of `path` if the block ends well.

    A folder that is there already is replaced if it is empty or holds a file called `marker`, as an older one does.

    Raises:
        InputError: the destination cannot be written, or is something else.
    """
    require_replaceable_folder(path, marker)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part"))
    old = temporary.with_suffix(".old")
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o777 & ~umask)
        if path.exists():
            os.replace(path, old)
        try:
            os.replace(temporary, path)
        except BaseException:
            if old.exists():
                os.replace(old, path)
            raise
    finally:
        for folder in (temporary, old):
            shutil.rmtree(folder, ignore_errors=True)


def require_replaceable_folder(path: Path, marker: str) -> None:
    """Fail before any work is done if the folder `path` could not be written at its end.

    Raises:
        InputError: the folder above does not exist or cannot be written, or `path` holds other things.
    """
    if path.exists() and not path.is_dir():
        raise InputError(f"cannot write {path}: it is a file; name a folder")
    if path.is_dir() and not (path / marker).is_file() and any(path.iterdir()):
        raise InputError(f"cannot write {path}: it holds other files and no {marker}; name a new folder")
    require_writable(path.parent / f"{path.name}.probe")


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
