"""Reading and writing .npz archives: refusals in one sentence, and the same bytes for the same arrays.

numpy's own reader makes room for as many values as a header claims; here a header is compared with what the archive
holds before anything is read. numpy's own writer stamps the hour into the archive; here every member carries the
earliest date a zip can hold.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import math
import os
import secrets
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from calib.errors import DataError
from calib.files.regular_file import is_file

_MAGIC = b"\x93NUMPY"
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_MOST_EXPANDED, _USUAL_RATIO = 1 << 27, 200  # deflate reaches 1,032, noise-free images seldom 50
_BLOCK = 1 << 20

EARLIEST = (1980, 1, 1, 0, 0, 0)


def read_npz(path: Path, keys: tuple[str, ...], *, advice: str = "") -> dict[str, NDArray[Any]]:
    """Read the arrays `keys` of the archive at `path`; other keys are ignored.

    `advice` is what to do where a key is missing, if it is not to write the arrays.

    Raises:
        DataError: the file is missing, is no .npz, is damaged, holds pickled objects, or lacks a key.
    """
    accepted = shortened_list([f"`{key}`" for key in keys])
    with _opened(path, accepted) as archive:
        there = _keys(archive)
        missing = [key for key in keys if key not in there]
        if missing:
            found = shortened_list([f"`{key}`" for key in there]) or "nothing"
            remedy = advice or f"give the arrays {accepted}"
            raise DataError(f"key `{missing[0]}` is missing in {path}, which holds {found}: {remedy}")
        return {key: _read_array(archive, f"{key}.npy") for key in keys}


def npz_keys(path: Path) -> tuple[str, ...]:
    """Names of the arrays in the archive at `path`.

    Raises:
        DataError: the file is missing, or is no .npz.
    """
    with _opened(path, "of images") as archive:
        return _keys(archive)


def shortened_list(names: Sequence[str], most: int = 20) -> str:
    """Names with commas; of more than `most`, the first and how many there are.

    >>> shortened_list(["a", "b", "c"], 2)
    'a, b, ... (3 in all)'
    """
    listed = ", ".join(name[:80] for name in names[:most])
    return listed if len(names) <= most else f"{listed}, ... ({len(names):,} in all)"


@contextmanager
def _opened(path: Path, accepted: str) -> Iterator[zipfile.ZipFile]:
    """The archive; what is wrong with it, or is found wrong in it, becomes a DataError."""
    if not is_file(path):
        raise DataError(f"no file at {path}: give an .npz file with the arrays {accepted}")
    try:
        if _begins_as_array(path):
            raise DataError(f"{path} holds a single array: give an .npz file with the arrays {accepted}")
        with zipfile.ZipFile(path) as archive:
            yield archive
    except DataError:
        raise
    except Exception as error:  # what zipfile, zlib, lzma and numpy raise of damaged files is not documented
        reason = " ".join(str(error).split())[:200] if zipfile.is_zipfile(path) else "it is no zip archive"
        raise DataError(
            f"{path} cannot be read as .npz ({reason}): write it with numpy.savez, arrays {accepted}"
        ) from error


def _begins_as_array(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(_MAGIC)) == _MAGIC


def _keys(archive: zipfile.ZipFile) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.removesuffix(".npy") for name in archive.namelist()))


def _read_array(archive: zipfile.ZipFile, member: str) -> NDArray[Any]:
    """One array, whose header is read first.

    Raises:
        ValueError: it holds objects, claims more values than there are, or expands to far more than is stored.
    """
    entry = archive.getinfo(member)
    if entry.compress_size > os.path.getsize(archive.filename or ""):
        raise ValueError(f"{member} is cut short")
    if entry.file_size > _MOST_EXPANDED and entry.file_size > _USUAL_RATIO * entry.compress_size:
        raise ValueError(f"{member} expands from {entry.compress_size:,} to {entry.file_size:,} bytes")
    with archive.open(entry) as stream:
        version = np.lib.format.read_magic(stream)
        read_header = _HEADERS.get(version)
        if read_header is None:
            raise ValueError(f"{member} is of version {version} of the format")
        shape, fortran_order, dtype = read_header(stream)
        if dtype.hasobject:
            raise ValueError(f"{member} holds Python objects, which are never loaded")
        needed, held = math.prod(shape) * dtype.itemsize, entry.file_size - stream.tell()
        if min(shape, default=0) < 0 or not dtype.itemsize or needed > held:
            raise ValueError(f"{member} claims {list(shape)} values of {dtype}, and holds {held:,} bytes"[:200])
        data = np.frombuffer(_read_exactly(stream, needed), dtype)
    if dtype.kind == "U" and data.size and data.view(dtype.byteorder.replace("|", "=") + "u4").max() > sys.maxunicode:
        raise ValueError(f"{member} holds numbers that are no characters")
    return data.reshape(shape[::-1]).T if fortran_order else data.reshape(shape)


def _read_exactly(stream: IO[bytes], count: int) -> bytearray:
    """`count` bytes that can be written to; what is behind them is read too, so that the archive's checksum is."""
    data = bytearray(count)
    view, position = memoryview(data), 0
    while block := stream.read(_BLOCK):
        kept = block[: count - position]
        view[position : position + len(kept)] = kept
        position += len(kept)
    if position < count:
        raise ValueError(f"it ends after {position:,} of {count:,} bytes")
    return data


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
