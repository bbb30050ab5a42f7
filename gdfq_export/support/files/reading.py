"""Files that a user names, read with limits (no pipe or device, no endless text or JSON), and hashes of files."""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path
from typing import Any

from gdfq_export.errors import InputError

MOST_TEXT = 1 << 26
"""Bytes of a text file: 64 MiB."""

_KINDS = {
    stat.S_IFIFO: "is a pipe",
    stat.S_IFCHR: "is a device",
    stat.S_IFBLK: "is a device",
    stat.S_IFSOCK: "is a socket",
    stat.S_IFDIR: "is a folder",
}


def why_unreadable(path: Path) -> str | None:
    """What a path is instead of a regular file, links followed; None for a file, and for what `open` will refuse.

    >>> why_unreadable(Path("/dev/zero"))
    'is a device'
    """
    try:
        return _KINDS.get(stat.S_IFMT(path.stat().st_mode))
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return None


def require_regular(path: Path, remedy: str) -> None:
    """Fail for what would be read without end, or waits for a writer.

    Raises:
        InputError: `path` is a pipe, a device, a socket or a folder; the message ends in `remedy`.
    """
    if found := why_unreadable(path):
        raise InputError(f"{path} {found}; {remedy}")


def read_text(path: Path, what: str, remedy: str, *, most: int = MOST_TEXT) -> str:
    """The text of a file in UTF-8 of at most `most` bytes.

    `what` and `remedy` begin and end the message where it cannot be read.

    Raises:
        InputError: it cannot be read, is no regular file, is no text in UTF-8, or too long.
    """
    if found := why_unreadable(path):
        raise InputError(f"cannot read {what}: it {found}; {remedy}")
    try:
        with path.open("rb") as stream:
            data = stream.read(most + 1)
        if len(data) > most:
            raise InputError(f"cannot read {what}: it has more than {most:,} bytes; {remedy}")
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"cannot read {what}: it is not a text file in UTF-8; {remedy}") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise InputError(f"cannot read {what}: {getattr(error, 'strerror', None) or error}; {remedy}") from error


def parse_json(text: str | bytes) -> Any:
    """JSON data.

    Raises:
        ValueError: it is no JSON, or nested so deeply that Python cannot read it.

    >>> parse_json('{"a": 1}')
    {'a': 1}
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
