"""What killed runs left beside their outputs, and in the folder of temporary files: found, named and removed."""

from __future__ import annotations

import glob
import logging
import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from gdfq_export.errors import InputError
from gdfq_export.support.files.commit import RECORD, finish_commits
from gdfq_export.support.files.staged import COMMIT, OLD, PART, TOKEN_DIGITS, beside, locked, remove

_ANY_TOKEN = "[0-9a-f]" * TOKEN_DIGITS
_LEFT = re.compile(rf"\..*\.[0-9a-f]{{{TOKEN_DIGITS}}}({PART}|{OLD}|{COMMIT})")

SCRATCH = "gdfq-export"

log = logging.getLogger(__name__)


def clear_leftovers(place: Path) -> None:
    """Finish what a killed run had begun to write in the folder of `place`, and remove what one left of `place`.

    Both are logged.

    Raises:
        OSError: a rename that was begun cannot be done.
    """
    for sentence in finish_commits(place.parent):
        log.warning("%s", sentence)
    remove_dead(_all(place.parent / RECORD, PART))
    for path in remove_dead([*_all(place, PART), *_all(place, OLD)]):
        log.warning("%s", f"removed {path}, which a killed run left")


def _all(place: Path, suffix: str) -> list[Path]:
    """What any run keeps of `place` under a name of that suffix."""
    return [*place.parent.glob(glob.escape(beside(place, "\0", suffix).name).replace("\0", _ANY_TOKEN))]


def leftovers(folder: Path) -> list[Path]:
    """All that killed runs of this user left in `folder`, and in the system's folder of temporary files.

    Raises:
        InputError: `folder` cannot be read.
    """
    found = []
    try:
        candidates = [path for path in sorted(folder.iterdir()) if _LEFT.fullmatch(path.name)]
    except OSError as error:
        raise InputError(f"cannot read {folder}: {error.strerror}; give a folder that you may read") from error
    for path in dict.fromkeys([*candidates, *scratch_folders()]):
        if (lock := locked(path)) is not None:
            os.close(lock)
            found.append(path)
    return found


def remove_leftovers(folder: Path) -> list[str]:
    """Finish the renames that killed runs had begun in `folder`, and remove what else they left; a sentence for each.

    Raises:
        InputError: `folder` cannot be read.
    """
    return [*finish_commits(folder), *(f"removed {path}" for path in remove_dead(leftovers(folder)))]


def scratch_folders() -> list[Path]:
    """The scratch folders of living and dead runs."""
    return _all(Path(tempfile.gettempdir()) / SCRATCH, PART)


def remove_dead(paths: Iterable[Path]) -> list[Path]:
    """Remove those that no living process has locked; which they were."""
    removed = []
    for path in paths:
        if (lock := locked(path)) is not None:
            try:
                remove(path)
            except OSError:
                continue
            finally:
                os.close(lock)
            removed.append(path)
    return removed
