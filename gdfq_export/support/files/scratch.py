"""Folders for files that a run needs only while it runs, in the system's folder of temporary files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gdfq_export.support.files.leftovers import SCRATCH, remove_dead, scratch_folders
from gdfq_export.support.files.staged import staged


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make an empty folder that is removed in the end; those that killed runs of this user left are removed, too.

    Raises:
        OSError: it cannot be made.
    """
    remove_dead(scratch_folders())
    with staged(Path(tempfile.gettempdir()) / SCRATCH, folder=True) as folder:
        yield folder
