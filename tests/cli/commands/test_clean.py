"""gdfq-export clean: what killed runs left is listed, and removed where that is asked for."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from gdfq_export.cli.main import cli
from tests.support.files.killed_run import killed_run


@pytest.fixture(autouse=True)
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli, ["clean", *arguments])
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_it_is_listed_and_stays(tmp_path: Path, temporary: Path) -> None:
    killed_run(tmp_path)
    (tmp_path / "model.onnx").touch()
    listed = run(str(tmp_path)).splitlines()
    assert len(listed) == 4 and listed[-1] == "killed runs left 3 files and folders"
    assert all(Path(line).exists() for line in listed[:-1])
    assert len(os.listdir(tmp_path)) == 3 and len(os.listdir(temporary)) == 1


def test_it_is_removed(tmp_path: Path, temporary: Path) -> None:
    killed_run(tmp_path)
    (tmp_path / "model.onnx").touch()
    assert run(str(tmp_path), "--remove").count("removed ") == 3
    assert os.listdir(tmp_path) == ["model.onnx"] and os.listdir(temporary) == []
    assert run(str(tmp_path), "--remove") == "killed runs left nothing\n"


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = CliRunner().invoke(cli, ["clean", str(tmp_path / "file")])
    assert result.exit_code == 2 and "cannot read" in result.stderr
