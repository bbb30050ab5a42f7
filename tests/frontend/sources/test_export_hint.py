"""The lines that messages print export a network with BatchNormalization kept, and what they write is accepted."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections import Counter
from pathlib import Path

import onnx
import pytest
import torch
from torch import nn

from gdfq_export.frontend.sources import load_model
from gdfq_export.frontend.sources.export_hint import export_lines
from tests.frontend.sources import networks

LOAD = "from tests.frontend.sources.networks import make\nnetwork = make()"


def _run(lines: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> onnx.ModelProto:
    monkeypatch.chdir(folder)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        exec(lines.replace("3, 224, 224", "3, 8, 8"), {})
    return onnx.load(folder / "net.onnx")


def _require_kept(proto: onnx.ModelProto, path: Path) -> None:
    assert Counter(node.op_type for node in proto.graph.node)["BatchNormalization"] == 2
    assert proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param
    network = load_model(path, scale=1.0)
    assert len(network.statistics) == 2 and not network.warnings
    images = torch.randn(3, 3, 8, 8)
    assert torch.allclose(network.teacher(images), networks.make().eval()(images), atol=1e-5)


def test_new_exporter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = export_lines(LOAD, "net.onnx")
    assert [path.name for path in tmp_path.iterdir()] == []
    _require_kept(_run(lines, tmp_path, monkeypatch), tmp_path / "net.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]


def test_old_exporter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, _, old = export_lines(LOAD, "net.onnx").partition("torch.onnx.export")
    lines = before + re.sub(r"(?m)^# ?", "", old.partition("# with torch before")[2].partition("\n")[2])
    assert "dynamo=False" in lines and "dynamo=True" not in lines
    _require_kept(_run(lines, tmp_path, monkeypatch), tmp_path / "net.onnx")


@pytest.mark.parametrize("script", [torch.jit.script, lambda net: torch.jit.trace(net, torch.zeros(2, 3, 8, 8))])
def test_torchscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: object) -> None:
    module: nn.Module = script(networks.make().eval())  # type: ignore[operator]
    torch.jit.save(module, tmp_path / "net.pt")
    lines = export_lines('network = torch.jit.load("net.pt")', "net.onnx", scripted=True)
    _require_kept(_run(lines, tmp_path, monkeypatch), tmp_path / "net.onnx")
