"""What killed runs left is found and removed; what living ones use is not."""

from __future__ import annotations

import logging
import os
import signal
import tempfile
from pathlib import Path

import pytest

from gdfq_export.support.files import atomic_folder, atomic_output, require_writable, scratch_folder
from gdfq_export.support.files.leftovers import leftovers
from tests.support.files.killed_run import killed_run


@pytest.fixture(autouse=True)
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_the_next_run_of_the_same_output_removes_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    killed_run(tmp_path)

    def left() -> list[Path]:
        return [path for path in leftovers(tmp_path) if path.is_relative_to(tmp_path)]

    assert len(left()) == 2
    with caplog.at_level(logging.WARNING):
        require_writable(tmp_path / "model.onnx")
    assert len(caplog.messages) == 1 and "which a killed run left" in caplog.messages[0]
    with atomic_folder(tmp_path / "bundle", marker="mark"):
        assert left() == []
    assert os.listdir(tmp_path) == ["bundle"]


def test_scratch_folders_are_removed(tmp_path: Path, temporary: Path) -> None:
    killed_run(tmp_path)
    assert len(os.listdir(temporary)) == 1
    with scratch_folder() as folder:
        assert os.listdir(temporary) == [folder.name]
        with scratch_folder() as other:
            assert {*os.listdir(temporary)} == {folder.name, other.name}
    assert os.listdir(temporary) == []


def test_living_runs_keep_theirs(tmp_path: Path) -> None:
    with atomic_output(tmp_path / "model.onnx") as part:
        part.write_text("first")
        with atomic_output(tmp_path / "model.onnx") as other:
            other.write_text("second")
        assert part.exists() and leftovers(tmp_path) == []
        assert (tmp_path / "model.onnx").read_text() == "second"
    assert (tmp_path / "model.onnx").read_text() == "first"


def test_other_files_stay(tmp_path: Path) -> None:
    others = {
        ".model.onnx.part",
        ".model.onnx.0123456789ab.part",
        ".other.0123456789ab.gdfq-part",
        "model.onnx.gdfq-part",
    }
    for name in others:
        (tmp_path / name).touch()
    (tmp_path / "kept").touch()
    (tmp_path / ".model.onnx.0123456789ab.gdfq-part").symlink_to(tmp_path / "kept")
    require_writable(tmp_path / "model.onnx")
    assert others | {"kept"} < {*os.listdir(tmp_path)}


@pytest.mark.signals
def test_a_signal_at_the_first_moment_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes while the temporary file is made, before anybody holds it."""
    opening = os.open

    def opened(path: str | Path, *arguments: int) -> int:
        number = opening(path, *arguments)
        if str(path).endswith(".gdfq-part"):
            signal.raise_signal(signal.SIGINT)
        return number

    monkeypatch.setattr(os, "open", opened)
    with pytest.raises(KeyboardInterrupt), atomic_output(tmp_path / "model.onnx"):
        pytest.fail("it goes on")
    assert os.listdir(tmp_path) == []
