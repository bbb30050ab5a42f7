"""Texts and hashes of files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from gdfq_export.errors import InputError


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


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
