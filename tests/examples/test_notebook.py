"""The notebook runs from top to bottom, without a kernel: its cells are plain Python."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[2] / "examples" / "quickstart.ipynb"

pytest.importorskip("sklearn", reason="the demo's digits come with scikit-learn")


def cells() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == "code"]


def test_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for number, cell in enumerate(cells()):
        exec(compile("".join(cell["source"]), f"{NOTEBOOK.name}, code cell {number}", "exec"), names)
    printed = capsys.readouterr().out
    score = f"{names['top1'].quantized.value:.4f}"
    assert "max-top1-drop-pp: passed" in printed
    assert f"top-1 of the simulation {score}" in printed
    assert {path.name for path in tmp_path.iterdir()} == {"demo.int8.onnx", "report.json", "report.html"}


def test_it_is_kept_without_outputs() -> None:
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells())
