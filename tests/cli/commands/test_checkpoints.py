"""The command that lists and removes checkpoints."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from gdfq_export.cli.main import cli
from gdfq_export.support.checkpoints.run_folder import RunFolder


def test_checkpoints_are_named_and_removed_on_request(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "net.onnx.checkpoint", {"command": "quantize", "network": "n\x1b[2Jet (1f2e)"})
    folder.of("fine-tune").keep({"step": 3})
    folder.close()
    listed = CliRunner().invoke(cli, ["checkpoints", str(tmp_path)])
    assert listed.exit_code == 0 and "\x1b" not in listed.stdout
    assert "net.onnx.checkpoint: quantize of n\\x1b[2Jet, 0 s of work in 0.0 MB" in listed.stdout
    assert listed.stdout.endswith(", interrupted\n")
    removed = CliRunner().invoke(cli, ["checkpoints", str(tmp_path), "--remove"])
    assert removed.stdout.endswith(", removed\n") and list(tmp_path.iterdir()) == []
    assert "no checkpoints in" in CliRunner().invoke(cli, ["checkpoints", str(tmp_path)]).stdout


def test_no_folder_is_a_usage_error(tmp_path: Path) -> None:
    assert CliRunner().invoke(cli, ["checkpoints", str(tmp_path / "missing")]).exit_code == 2
