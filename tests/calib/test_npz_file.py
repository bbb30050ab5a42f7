"""Reading archives: what a header claims is compared with what is there before any memory is taken."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calib.errors import DataError
from calib.files.npz_file import npz_keys, read_npz, shortened_list


def archive(path: Path, **arrays: tuple[Any, Any, bytes]) -> Path:
    """Arrays as dtype, shape and bytes, which need not fit each other."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as written:
        for name, (dtype, shape, data) in arrays.items():
            header = io.BytesIO()
            described = {"descr": dtype, "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(header, described)
            written.writestr(f"{name}.npy", header.getvalue() + data)
    return path


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (("<f4", (10**12, 1, 8, 8), bytes(64)), "claims"),
        (("|u1", (-1, 8), bytes(64)), "claims"),
        (("|V2000000000", (4,), bytes(64)), "claims"),
        (("<U500000000", (4,), bytes(64)), "claims"),
        (("|S0", (10**15,), b""), "claims"),
        (("|O", (4,), bytes(64)), "Python objects"),
        (("<U2", (2,), b"\xff" * 16), "no characters"),
        (("|u1", (2**28,), bytes(2**28)), "expands from"),
    ],
    ids=["values", "negative", "void", "text", "nothing", "objects", "characters", "expanded"],
)
def test_what_is_not_there_is_refused(tmp_path: Path, array: tuple[Any, Any, bytes], words: str) -> None:
    path = archive(tmp_path / "a.npz", images=array)
    with pytest.raises(DataError, match=words) as caught:
        read_npz(path, ("images",))
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_arrays_are_read_as_numpy_reads_them(tmp_path: Path) -> None:
    arrays = {
        "images": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
        "other": np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3)),
        "text": np.asarray("ä"),
        "none": np.zeros((0, 3)),
    }
    np.savez(tmp_path / "a.npz", **arrays)  # type: ignore[arg-type]
    found = read_npz(tmp_path / "a.npz", tuple(arrays))
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype and found[name].flags.writeable
    assert npz_keys(tmp_path / "a.npz") == tuple(arrays)


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.zeros(1000))
    data = bytearray((tmp_path / "a.npz").read_bytes())
    data[500] ^= 1
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(DataError, match="CRC"):
        read_npz(tmp_path / "a.npz", ("images",))


def test_pipes_devices_and_long_lists_are_refused_in_short(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file at /dev/zero"):
        read_npz(Path("/dev/zero"), ("images",))
    path = archive(tmp_path / "a.npz", **{f"k{index}": ("|u1", (0,), b"") for index in range(3000)})
    with pytest.raises(DataError, match=r"\(3,000 in all\)") as caught:
        read_npz(path, ("images",))
    assert len(str(caught.value)) < 1000
    assert shortened_list(["a" * 200]) == "a" * 80
