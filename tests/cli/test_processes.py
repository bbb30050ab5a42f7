"""A launcher starts the command several times: one process prints and writes, and one failure is told."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from gdfq_export.cli.main import cli

ROOT = Path(__file__).parents[2]


def _launch(
    size: int, folder: Path, *words: str, environments: dict[int, dict[str, str]] | None = None
) -> list[tuple[int, str]]:
    """Exit code and output of each process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = []
    for rank in range(size):
        own = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size), "OMP_NUM_THREADS": "1"}
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "PYTHONPATH": str(ROOT)}
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "gdfq_export", *words],
                env={**os.environ, **own, **meeting, **(environments or {}).get(rank, {})},
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    return [(process.returncode, output) for process in started for output in [process.communicate()[0]]]


def test_the_first_process_prints_and_writes(tmp_path: Path) -> None:
    words = ("synthesize", "--recipe", "paper/noise", "--images", "4", "--out", "images.npz", "--no-picture")
    (first, printed), (second, silent) = _launch(2, tmp_path, *words)
    assert (first, second) == (0, 0), printed + silent
    assert "wrote images.npz: 4 images" in printed and silent == ""
    assert [file.name for file in tmp_path.iterdir()] == ["images.npz"]


def test_a_failure_that_all_meet_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"no network")
    found = _launch(2, tmp_path, "quantize", "net.onnx")
    assert [code for code, _ in found] == [2, 2]
    assert "".join(printed for _, printed in found).count("Error:") == 1


def test_commands_of_one_process_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    result = CliRunner().invoke(cli, ["doctor"])
    assert result.exit_code == 2
    assert (
        "2 processes were started for gdfq-export doctor, which one does; start it without a launcher" in result.output
    )


@pytest.mark.slow
def test_torchrun_makes_the_file_of_one_process(tmp_path: Path) -> None:
    words = ["-m", "gdfq_export", "quantize", "--recipe", "paper/noise", "--threads", "1", "--onnx-out"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for command, out in (([*launcher, *words], "two.onnx"), ([sys.executable, *words], "one.onnx")):
        done = subprocess.run(
            [*command, str(tmp_path / out)], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("wrote ") == 1
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "two.onnx").read_bytes()
