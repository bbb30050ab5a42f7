"""What killed runs left beside their outputs, and in the folder of temporary files: found, named and removed."""

from __future__ import annotations

import glob
import logging
import os
import re
from collections.abc import Iterable
from pathlib import Path

from gdfq_export.support.files.commit import RECORD, finish_commits
from gdfq_export.support.files.staged import COMMIT, OLD, PART, TOKEN_DIGITS, beside, locked, remove

_ANY_TOKEN = "[0-9a-f]" * TOKEN_DIGITS
_LEFT = re.compile(rf"\..*\.[0-9a-f]{{{TOKEN_DIGITS}}}({PART}|{OLD}|{COMMIT})")

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
    """All that killed runs of this user left in `folder`."""
    found = []
    for path in sorted(folder.iterdir()):
        if _LEFT.fullmatch(path.name) and (lock := locked(path)) is not None:
            os.close(lock)
            found.append(path)
    return found


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
