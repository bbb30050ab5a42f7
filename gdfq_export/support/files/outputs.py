"""The outputs of one run, all written or none: staged beside their destinations, on the disk, then renamed together."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from gdfq_export.errors import InputError
from gdfq_export.support.files.commit import Move, commit, flush_all
from gdfq_export.support.files.destination import (
    descriptor_of,
    followed,
    require_replaceable_folder,
    require_space,
    require_writable,
    writes_through,
)
from gdfq_export.support.files.scratch import scratch_folder
from gdfq_export.support.files.staged import new_token, staged
from gdfq_export.support.interruption import uninterrupted
from gdfq_export.support.text import to_utf8

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_committed: list[Path] = []


class Outputs:
    """Collects the outputs of one run; `write_together` makes one and renames all that it holds."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._token = new_token()
        self._moves: dict[Path, Move] = {}
        self._through: dict[Path, Path] = {}

    def file(self, path: Path) -> Path:
        """An empty file to write to, for `path`. A link stays, and what it points to is replaced.

        Raises:
            InputError: `path` cannot be written.
        """
        require_writable(path)
        if writes_through(path):
            self._through[path] = self._stack.enter_context(scratch_folder()) / "output"
            return self._through[path]
        return self._staged(path, folder=False)

    def folder(self, path: Path, *, marker: str) -> Path:
        """An empty folder to fill, for `path`.

        A folder that is there already is replaced if it is empty or holds a file called `marker`, as an older one does.

        Raises:
            InputError: `path` cannot be written, or is something else.
        """
        require_replaceable_folder(path, marker)
        return self._staged(path, folder=True)

    def write(self, contents: Mapping[Path, bytes | str]) -> None:
        """Write whole files; texts in UTF-8, with an escape for what is no character, as in names that are not UTF-8.

        Raises:
            InputError: a destination cannot be written, or has no space for all of them.
        """
        data = {path: to_utf8(content) if isinstance(content, str) else content for path, content in contents.items()}
        parts = {path: self.file(path) for path in data}
        for path in data:
            if path not in self._through:
                require_space(path, sum(map(len, data.values())))
        for path, content in data.items():
            parts[path].write_bytes(content)

    def commit(self) -> None:
        """Put all in place. Devices and pipes receive their bytes first, since these cannot be taken back.

        Raises:
            InputError: one cannot be written; says what was changed, if anything.
        """
        moves = [*self._moves.values()]
        for move in moves:
            move.part.chmod((0o777 if move.part.is_dir() else 0o666) & ~_umask())
            flush_all(move.part)
        for path, source in self._through.items():
            _send(source, path)
        with uninterrupted():
            commit(moves)
            _committed.extend(self.places)

    def _staged(self, path: Path, *, folder: bool) -> Path:
        move = Move(followed(path), self._token)
        if move.place in self._moves:
            raise InputError(f"{path} is written twice by this run; choose another name for one of them")
        part = self._stack.enter_context(staged(move.place, self._token, folder=folder))
        self._moves[move.place] = move
        return part

    @property
    def places(self) -> list[Path]:
        """Where everything goes."""
        return [*self._through, *self._moves]

    def place_of(self, name: str | bytes) -> Path | None:
        """The destination of the temporary file `name`, or of the folder that it is in."""
        path = Path(os.fsdecode(name))
        return next((move.place for move in self._moves.values() if path.is_relative_to(move.part)), None)


@contextmanager
def write_together() -> Iterator[Outputs]:
    """Put all outputs that the block makes in place if it ends well; leave everything as it was otherwise.

    Raises:
        InputError: an output cannot be written.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with write_together() as outputs:
        ...     outputs.write({folder / "net.onnx": b"...", folder / "report.json": "{}"})
        >>> sorted(path.name for path in folder.iterdir())
        ['net.onnx', 'report.json']
    """
    with ExitStack() as stack:
        outputs = Outputs(stack)
        try:
            yield outputs
            outputs.commit()
        except OSError as error:
            refusal = _refusal(error, outputs)
            if refusal is error:
                raise
            raise refusal from error


@contextmanager
def atomic_output(path: Path) -> Iterator[Path]:
    """Yield a temporary path; put its bytes in the place of `path` if the block ends well, remove it otherwise.

    Raises:
        InputError: the destination cannot be written.
    """
    with write_together() as outputs:
        yield outputs.file(path)


@contextmanager
def atomic_folder(path: Path, *, marker: str) -> Iterator[Path]:
    """Yield an empty folder beside `path`; put it in the place of `path` if the block ends well.

    Raises:
        InputError: the destination cannot be written, or is something else than an older folder with a file `marker`.
    """
    with write_together() as outputs:
        yield outputs.folder(path, marker=marker)


def write_files(contents: Mapping[Path, bytes | str]) -> None:
    """Write whole files, all or none; texts in UTF-8.

    Raises:
        InputError: a destination cannot be written.
    """
    with write_together() as outputs:
        outputs.write(contents)


def committed() -> list[Path]:
    """What this process has put in place so far, for what is said where it ends early."""
    return list(dict.fromkeys(_committed))


def _send(source: Path, path: Path) -> None:
    """Write the bytes of `source` to a device, a pipe or an open descriptor, behind what was printed before.

    Raises:
        InputError: it does not take them.
    """
    for stream in filter(None, (sys.stdout, sys.stderr)):
        with suppress(OSError, ValueError):
            stream.flush()
    number = descriptor_of(path)
    try:
        opened = os.open(path, os.O_WRONLY) if number is None else os.dup(number)
        with os.fdopen(opened, "wb") as device, source.open("rb") as content:
            shutil.copyfileobj(content, device)
    except OSError as error:
        raise InputError(f"cannot write to {path}: {error.strerror or error}; choose another output") from error


def _refusal(error: OSError, outputs: Outputs) -> Exception:
    """The error as a user can act on it, where it is about what was to be written; itself otherwise."""
    where = outputs.place_of(error.filename) if error.filename else None
    if where is None and (error.filename or error.errno not in _FULL):
        return error
    named = str(where) if where is not None else " and ".join(map(str, outputs.places))
    return InputError(
        f"cannot write {named}: {error.strerror or error}; all outputs are as they were before, free some space or "
        "choose another place"
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
