"""A file's bytes that know what messages call the file."""

from __future__ import annotations

from typing import Self


class NamedBytes(bytes):
    """Bytes with a name; equal to the same bytes without one.

    Args:
        data: the file's bytes.
        name: what messages call the file.
    """

    name: str

    def __new__(cls, data: bytes, name: str) -> Self:
        """Copy `data`."""
        made = super().__new__(cls, data)
        made.name = name
        return made
