"""Outputs are whole or absent: what was there before survives whatever goes wrong."""

from __future__ import annotations

import errno
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import gdfq_export
from calib.files.npz_file import write_npz
from gdfq_export.errors import InputError
from gdfq_export.support.files import (
    atomic_folder,
    atomic_output,
    committed,
    require_writable,
    write_files,
    write_together,
)


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


@pytest.fixture
def null(tmp_path: Path) -> Path:
    """A device node like /dev/null."""
    path = tmp_path / "null"
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        path.write_bytes(b"probe")
    except OSError:
        pytest.skip("this user or file system makes no device nodes")
    return path


def test_a_device_stays_a_device(null: Path) -> None:
    require_writable(null)
    with atomic_output(null) as temporary:
        temporary.write_bytes(b"new")
    assert stat.S_ISCHR(null.lstat().st_mode)
    assert os.listdir(null.parent) == ["null"]


def test_set_of_images_keeps_a_device(null: Path) -> None:
    write_npz(null, {"images": np.zeros((2, 3), np.float32)})
    assert stat.S_ISCHR(null.lstat().st_mode)
    assert os.listdir(null.parent) == ["null"]


def test_a_pipe_receives_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with atomic_output(path) as temporary:
        temporary.write_bytes(b"whole")
    assert os.read(reader, 100) == b"whole"
    os.close(reader)
    assert stat.S_ISFIFO(path.lstat().st_mode)
    assert os.listdir(tmp_path) == ["pipe"]


def test_an_interrupted_output_sends_nothing_to_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(KeyboardInterrupt), atomic_output(path) as temporary:
        temporary.write_bytes(b"half")
        raise KeyboardInterrupt
    assert os.read(reader, 100) == b""
    os.close(reader)


def test_what_stdout_is_redirected_to_is_not_replaced(tmp_path: Path) -> None:
    script = "from pathlib import Path; from gdfq_export.support.files import atomic_output\n"
    script += "print('before', flush=True)\n"
    script += "with atomic_output(Path('/dev/stdout')) as part: part.write_text('whole\\n')\n"
    script += "print('after')"
    root = Path(gdfq_export.__file__).parent.parent
    with (tmp_path / "log").open("w") as log:
        subprocess.run([sys.executable, "-c", script], stdout=log, check=True, env={"PYTHONPATH": str(root)})
    assert (tmp_path / "log").read_text() == "before\nwhole\nafter\n"


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_is_followed(tmp_path: Path, exists: bool) -> None:
    (tmp_path / "kept").mkdir()
    target, link = tmp_path / "kept" / "model.onnx", tmp_path / "latest.onnx"
    if exists:
        target.write_bytes(b"old")
    link.symlink_to(target)
    with atomic_output(link) as temporary:
        temporary.write_bytes(b"new")
    assert link.is_symlink() and target.read_bytes() == b"new"
    assert sorted(os.listdir(tmp_path)) == ["kept", "latest.onnx"]
    assert os.listdir(tmp_path / "kept") == ["model.onnx"]
    write_npz(link, {"images": np.zeros((2, 3), np.float32)})
    assert link.is_symlink() and target.read_bytes()[:2] == b"PK"


def test_a_link_into_a_missing_folder_or_to_itself_is_refused(tmp_path: Path) -> None:
    link = tmp_path / "latest.onnx"
    link.symlink_to(tmp_path / "absent" / "model.onnx")
    with pytest.raises(InputError, match="absent does not exist"):
        require_writable(link)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(InputError, match="cannot write"):
        require_writable(tmp_path / "loop")


def test_a_link_to_a_folder_is_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "v1", tmp_path / "bundle"
    target.mkdir()
    link.symlink_to(target, target_is_directory=True)
    for text in ("old", "new"):
        with atomic_folder(link, marker="mark") as part:
            (part / "mark").write_text(text)
    assert link.is_symlink() and (target / "mark").read_text() == "new"
    assert sorted(os.listdir(tmp_path)) == ["bundle", "v1"]


def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's name has at most 108 bytes
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        with pytest.raises(InputError, match="may not write"):
            require_writable(tmp_path / "s")


def test_a_link_to_an_open_descriptor_is_not_followed_to_its_file(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as log:
        (tmp_path / "out").symlink_to(f"/dev/fd/{log.fileno()}")
        with atomic_output(tmp_path / "out") as temporary:
            temporary.write_bytes(b"whole")
    assert (tmp_path / "log").read_text() == "whole" and (tmp_path / "out").is_symlink()


@pytest.mark.parametrize("path", ["x" * 300, f"/dev/fd/{1 << 20}", "/dev/fd/0x", "no\0name"])
def test_names_that_no_file_can_have_are_refused(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="cannot write"):
        require_writable(Path(path))


@pytest.mark.parametrize("name", ["x" * 255, "\udcff.onnx", "a\nb", "[a]*"])
def test_names_that_a_file_can_have_are_written(name: str, tmp_path: Path) -> None:
    for content in (b"old", b"new"):
        with atomic_output(tmp_path / name) as temporary:
            temporary.write_bytes(content)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {name: b"new"}


def test_all_outputs_are_written_or_none(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"old")
    with pytest.raises(InputError, match="none does not exist"):
        write_files({tmp_path / "model.onnx": b"new", tmp_path / "none" / "report.json": "{}"})
    with pytest.raises(ValueError), write_together() as outputs:
        outputs.write({tmp_path / "model.onnx": b"new"})
        (outputs.folder(tmp_path / "bundle", marker="mark") / "mark").touch()
        raise ValueError
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"model.onnx": b"old"}


def test_one_path_is_written_once(tmp_path: Path) -> None:
    (tmp_path / "other.onnx").symlink_to(tmp_path / "model.onnx")
    with pytest.raises(InputError, match="written twice"):
        write_files({tmp_path / "model.onnx": b"a", tmp_path / "other.onnx": b"b"})


def test_space_is_checked_before_a_byte_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=7))
    with pytest.raises(InputError, match="it takes 8 bytes and 7 are free"):
        write_files({tmp_path / "a": b"1234", tmp_path / "b": b"5678"})
    assert os.listdir(tmp_path) == []


def test_a_full_disk_is_said_of_the_output_and_not_of_its_temporary_name(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with (
        pytest.raises(InputError, match=r"model\.onnx: No space left.*as they were before"),
        atomic_output(path) as part,
    ):
        raise OSError(errno.ENOSPC, "No space left on device", str(part))
    with pytest.raises(InputError, match=r"model\.onnx: No space left"), atomic_output(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(FileNotFoundError), atomic_output(path):
        raise FileNotFoundError(errno.ENOENT, "No such file", "another")


def test_a_full_device_is_named() -> None:
    if not Path("/dev/full").is_char_device():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(InputError, match="cannot write to /dev/full: No space left"):
        write_files({Path("/dev/full"): b"x" * 10_000})


def test_a_device_that_takes_nothing_leaves_the_files_as_they_were(tmp_path: Path) -> None:
    if not Path("/dev/full").is_char_device():
        pytest.skip("this system has no /dev/full")
    (tmp_path / "model.onnx").write_bytes(b"old")
    with pytest.raises(InputError, match="/dev/full"):
        write_files({tmp_path / "model.onnx": b"new", Path("/dev/full"): b"x"})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"model.onnx": b"old"}


def test_what_was_committed_is_known(tmp_path: Path) -> None:
    write_files({tmp_path / "model.onnx": b"new"})
    assert committed()[-1] == tmp_path / "model.onnx"
