"""Reading and writing .npz archives: refusals in one sentence, and the same bytes for the same arrays.

numpy's own writer stamps the hour into the archive; here every member carries the earliest date a zip can hold.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import secrets
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calib.errors import DataError

EARLIEST = (1980, 1, 1, 0, 0, 0)


def read_npz(path: Path, keys: tuple[str, ...], *, advice: str = "") -> dict[str, NDArray[Any]]:
    """Read the arrays `keys` of the archive at `path`; other keys are ignored.

    `advice` is what to do where a key is missing, if it is not to write the arrays.

    Raises:
        DataError: the file is missing, is no .npz, is damaged, holds pickled objects, or lacks a key.
    """
    accepted = ", ".join(f"`{key}`" for key in keys)
    if not path.is_file():
        raise DataError(f"no file at {path}: give an .npz file with the arrays {accepted}")
    try:
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise DataError(f"{path} holds a single array: give an .npz file with the arrays {accepted}")
        with loaded as archive:
            missing = [key for key in keys if key not in archive.files]
            if missing:
                found = ", ".join(f"`{key}`" for key in archive.files) or "nothing"
                remedy = advice or f"give the arrays {accepted}"
                raise DataError(f"key `{missing[0]}` is missing in {path}, which holds {found}: {remedy}")
            return {key: archive[key] for key in keys}
    except DataError:
        raise
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        reason = " ".join(str(error).split()) if zipfile.is_zipfile(path) else "it is no zip archive"
        raise DataError(
            f"{path} cannot be read as .npz ({reason}): write it with numpy.savez, arrays {accepted}"
        ) from error


def write_npz(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write `arrays` to `path`, replacing it in one step: an interruption leaves the old file whole.

    A link stays, and what it points to is replaced. A device or a pipe receives the bytes.

    Raises:
        OSError: the folder is missing or not writable.
    """
    content = npz_bytes(arrays)
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    path = path.resolve()
    temporary = path.parent / f".{path.name}.{secrets.token_hex(6)}.gdfq-part"
    try:
        with temporary.open("xb") as stream:
            with contextlib.suppress(OSError):  # what no process has locked is known to be left by a dead one
                fcntl.flock(stream, fcntl.LOCK_EX)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
            os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def npz_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The archive of `arrays`: the same arrays give the same bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for key, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asarray(array, order="C"), allow_pickle=False)
            member = zipfile.ZipInfo(f"{key}.npy", date_time=EARLIEST)
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, content.getbuffer())
    return stream.getvalue()
