"""Folders for files that a run needs only while it runs, in the system's folder of temporary files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gdfq_export.support.files.leftovers import remove_dead
from gdfq_export.support.files.staged import PART, staged

_NAME = "gdfq-export"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make an empty folder that is removed in the end; those that killed runs of this user left are removed, too.

    Raises:
        OSError: it cannot be made.
    """
    remove_dead(dead_scratch_folders())
    with staged(Path(tempfile.gettempdir()) / _NAME, folder=True) as folder:
        yield folder


def dead_scratch_folders() -> list[Path]:
    """Candidates: scratch folders of living and dead runs."""
    return sorted(Path(tempfile.gettempdir()).glob(f".{_NAME}.*{PART}"))
