"""Where results may not go: over what the run reads, over each other, where nothing can be written."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from gdfq_export.cli.options.outputs import QuantizeOutputs, require_outputs, require_room, sidecar_of
from gdfq_export.errors import InputError


def test_the_float_model_is_not_overwritten(tmp_path: Path) -> None:
    model = tmp_path / "net.onnx"
    with pytest.raises(InputError, match="also reads"):
        require_outputs([tmp_path / "a" / ".." / "net.onnx"], [str(model)])


def test_the_sidecar_is_not_overwritten(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="also reads"):
        require_outputs([tmp_path / "net.json"], [sidecar_of(str(tmp_path / "net.onnx"))])


def test_two_outputs_are_two_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="also reads or writes"):
        require_outputs([tmp_path / "q", tmp_path / "q"], [])


def test_names_of_models_and_missing_options_are_no_files(tmp_path: Path) -> None:
    require_outputs([tmp_path / "q.onnx"], ["package.module:network", sidecar_of(None), sidecar_of(""), None])


def test_space_is_checked_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tmp_path / "net.onnx"
    model.write_bytes(bytes(3200))
    outputs = QuantizeOutputs(onnx=tmp_path / "q.onnx", report=None, html=None, bundle=tmp_path / "bundle")
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=4000))
    require_room(outputs, str(model), 8)
    require_room(outputs, None, 8)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=3999))
    with pytest.raises(InputError, match="bundle: it takes 4,000 bytes and 3,999 are free"):
        require_room(outputs, str(model), 8)
