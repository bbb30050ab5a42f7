"""Whether a path is a file that can be read to its end: pipes wait, and some devices never end."""

from __future__ import annotations

from pathlib import Path


def is_file(path: Path) -> bool:
    """Whether there is a regular file, links followed; False too for a name that no file can have.

    >>> is_file(Path("/dev/zero")), is_file(Path("a" * 5000))
    (False, False)
    """
    try:
        return path.is_file()
    except OSError:  # a name of more bytes than the file system takes
        return False
