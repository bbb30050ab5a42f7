"""Outputs are whole or absent: what was there before survives whatever goes wrong."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdfq_export.errors import InputError
from gdfq_export.support.files import atomic_folder, atomic_output, require_writable, sha256_file


def test_an_output_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    with atomic_output(path) as temporary:
        temporary.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["model.onnx"]


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_interrupted_output_leaves_the_old_one(tmp_path: Path, failure: type[BaseException]) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    with pytest.raises(failure), atomic_output(path) as temporary:
        temporary.write_bytes(b"half of the n")
        raise failure
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["model.onnx"]


def test_an_interrupted_first_output_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), atomic_output(tmp_path / "model.onnx") as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert os.listdir(tmp_path) == []


def test_an_output_is_as_readable_as_any_new_file(tmp_path: Path) -> None:
    with atomic_output(tmp_path / "made"):
        pass
    (tmp_path / "plain").touch()
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("made", "plain")}
    assert len(modes) == 1


def test_a_writable_path_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    require_writable(path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["model.onnx"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the folder .*absent does not exist"):
        require_writable(tmp_path / "absent" / "model.onnx")


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it is a folder; name a file in it"):
        require_writable(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_closed_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="choose a folder you may write to"):
        require_writable(tmp_path / "model.onnx")


def test_a_pseudo_folder_is_refused() -> None:
    """What a read-only folder is to everyone, /proc is to root too."""
    with pytest.raises(InputError, match=r"cannot write /proc/model\.onnx"):
        require_writable(Path("/proc/model.onnx"))


@given(content=st.binary(max_size=3 << 20))
def test_the_hash_is_of_the_bytes(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "hashed"
    path.write_bytes(content)
    assert sha256_file(path) == hashlib.sha256(content).hexdigest()


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    for text in ("old", "new"):
        with atomic_folder(target, marker="mark") as part:
            (part / "mark").write_text(text)
    assert (target / "mark").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_an_interruption_leaves_the_older_folder_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    with atomic_folder(target, marker="mark") as part:
        (part / "mark").write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_folder(target, marker="mark") as part:
        (part / "mark").write_text("new")
        raise KeyboardInterrupt
    assert (target / "mark").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_folder_of_other_things_is_not_replaced(tmp_path: Path) -> None:
    target = tmp_path / "home"
    target.mkdir()
    (target / "letter").write_text("dear")
    with pytest.raises(InputError, match="other files"), atomic_folder(target, marker="mark"):
        pass
    assert (target / "letter").read_text() == "dear"
