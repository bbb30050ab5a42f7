"""Files that are whole or absent: outputs are written beside their destination and renamed over it."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gdfq_export.errors import InputError

_DESCRIPTORS = {Path("/dev/stdout"): 1, Path("/dev/stderr"): 2}
_DESCRIPTOR_FOLDERS = (Path("/dev/fd"), Path("/proc/self/fd"))


def writes_through(path: Path) -> bool:
    """Whether `path` is something that takes bytes and keeps its place: a device, a pipe, an open descriptor."""
    return _descriptor(path) is not None or (path.exists() and not path.is_file() and not path.is_dir())


def require_writable(path: Path) -> None:
    """Fail before any work is done if `path` could not be written at its end.

    Raises:
        InputError: the folder does not exist or cannot be written, or `path` is a folder.
    """
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder; name a file in it, for instance {path / 'model.onnx'}")
    if writes_through(path):
        mode = path.stat().st_mode
        if stat.S_ISBLK(mode) or stat.S_ISSOCK(mode) or not os.access(path, os.W_OK):
            raise InputError(f"cannot write {path}: it is a device you may not write to; choose another file")
        return
    target = _followed(path)
    folder = target.parent
    if not folder.is_dir():
        raise InputError(f"cannot write {path}: the folder {folder} does not exist; create it first")
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=f".{target.name}.", suffix=".probe"):
            pass
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}; choose a folder you may write to") from error


@contextmanager
def atomic_output(path: Path) -> Iterator[Path]:
    """Yield a temporary path; put its bytes in the place of `path` if the block ends well, remove it otherwise.

    A file is replaced in one step. A link stays, and what it points to is replaced. A device or a pipe receives the
    bytes when they are complete.

    Raises:
        InputError: the destination cannot be written.
    """
    require_writable(path)
    through = writes_through(path)
    target = path if through else _followed(path)
    handle, name = tempfile.mkstemp(dir=None if through else target.parent, prefix=f".{target.name}.", suffix=".part")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        if through:
            number = _descriptor(path)
            opened = os.open(path, os.O_WRONLY) if number is None else os.dup(number)
            with os.fdopen(opened, "wb") as device, temporary.open("rb") as source:
                shutil.copyfileobj(source, device)
        else:
            temporary.chmod(0o666 & ~_umask())
            os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def write_files(contents: Mapping[Path, bytes | str]) -> None:
    """Write whole files, all or none; texts in UTF-8.

    Raises:
        InputError: a destination cannot be written.
    """
    with ExitStack() as outputs:
        for path, content in contents.items():
            data = content.encode() if isinstance(content, str) else content
            outputs.enter_context(atomic_output(path)).write_bytes(data)


def read_text(path: Path, what: str, remedy: str) -> str:
    """The text of a file in UTF-8; `what` and `remedy` begin and end the message where it cannot be read.

    Raises:
        InputError: it cannot be read, or is no text in UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"cannot read {what}: it is not a text file in UTF-8; {remedy}") from error
    except OSError as error:
        raise InputError(f"cannot read {what}: {error.strerror or error}; {remedy}") from error


@contextmanager
def atomic_folder(path: Path, *, marker: str) -> Iterator[Path]:
    """Yield an empty folder beside `path`; put it in the place of `path` if the block ends well.

    A folder that is there already is replaced if it is empty or holds a file called `marker`, as an older one does. A
    link to a folder stays, and the folder is replaced.

    Raises:
        InputError: the destination cannot be written, or is something else.
    """
    require_replaceable_folder(path, marker)
    path = _followed(path)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part"))
    old = temporary.with_suffix(".old")
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
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
    target = _followed(path)
    require_writable(target.parent / f"{target.name}.probe")


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _descriptor(path: Path) -> int | None:
    """The open descriptor that `path` names, whose file must not be replaced even where it is a regular one."""
    if path in _DESCRIPTORS:
        return _DESCRIPTORS[path]
    return int(path.name) if path.parent in _DESCRIPTOR_FOLDERS and path.name.isdecimal() else None


def _followed(path: Path) -> Path:
    """`path` with its links followed; what they point to need not exist."""
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:  # RuntimeError before Python 3.13
        raise InputError(f"cannot write {path}: its links point at each other; choose another path") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
