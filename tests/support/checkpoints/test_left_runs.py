"""Checkpoints of interrupted runs are found and removed; those of running ones, and everything else, stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from gdfq_export.errors import InputError
from gdfq_export.support.checkpoints.left_runs import left_runs, remove
from gdfq_export.support.checkpoints.run_folder import RunFolder


def left(path: Path) -> RunFolder:
    folder = RunFolder(path, {"command": "quantize", "network": "net (1f2e)"})
    folder.of("fine-tune").keep({"step": 3})
    return folder


def test_interrupted_and_running_runs_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "comparison" / "run.checkpoint").mkdir(parents=True)
    left(tmp_path / "comparison" / "run.checkpoint" / "w8a8-ours").close()
    running = left(tmp_path / "net.onnx.checkpoint")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "run.json").write_text("{}")
    found = {run.path.name: run for run in left_runs(tmp_path)}
    assert {name: run.running for name, run in found.items()} == {"w8a8-ours": False, "net.onnx.checkpoint": True}
    assert found["w8a8-ours"].identity["command"] == "quantize" and found["w8a8-ours"].bytes > 100
    assert {name: remove(run) for name, run in found.items()} == {"w8a8-ours": True, "net.onnx.checkpoint": False}
    running.close()
    assert [run.path.name for run in left_runs(tmp_path)] == ["net.onnx.checkpoint"]
    assert (tmp_path / "photos" / "run.json").exists()


def test_a_damaged_checkpoint_is_found_too(tmp_path: Path) -> None:
    left(tmp_path / "run").close()
    (tmp_path / "run" / "run.json").write_text("{")
    (run,) = left_runs(tmp_path)
    assert run.identity == {} and remove(run)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no folder"):
        left_runs(tmp_path / "missing")
