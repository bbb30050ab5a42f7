"""gdfq-export batch: its table, its exit codes, and what it says of wrong usage."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from gdfq_export.cli.main import cli
from tests.jobs.batch.grids import write_grid


def run(*words: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["batch", *map(str, words)])
    return result.exit_code, result.output


def test_a_batch_then_the_same_again(tmp_path: Path) -> None:
    grid = write_grid(tmp_path, gates={"max-size-ratio": 100})
    code, said = run(grid, "--out", tmp_path / "out", "--workers", "1")
    assert code == 0, said
    assert "[1/1] net0, quick, ort-cpu, seed 0: passed" in said and "wrote" in said
    code, said = run(grid, "--out", tmp_path / "out", "--workers", "1")
    assert code == 0 and "from an earlier run" in said
    code, said = run(grid, "--out", tmp_path / "out", "--dry-run")
    assert code == 0 and said.startswith("held")


@pytest.mark.parametrize(
    ("network", "gates", "code", "words"),
    [
        ("net0.onnx", {"max-size-ratio": 0.01}, 1, "1 of 1 jobs did not pass; the first: net0, quick, ort-cpu, seed 0"),
        ("no.onnx", {}, 2, "no.onnx does not exist"),
    ],
)
def test_exit_codes(tmp_path: Path, network: str, gates: dict[str, float], code: int, words: str) -> None:
    grid = write_grid(tmp_path, gates=gates)
    grid.write_text(grid.read_text().replace("net0.onnx", network))
    found, said = run(grid, "--out", tmp_path / "out", "--workers", "1")
    assert found == code and words in said


def test_wrong_usage(tmp_path: Path) -> None:
    grid = write_grid(tmp_path)
    code, said = run(grid, "--out", tmp_path, "--workers", "2", "--scheduler", "tcp://x:1")
    assert code == 2 and "leave one of them out" in said
    code, said = run(tmp_path / "no.yaml", "--out", tmp_path)
    assert code == 2 and "no.yaml does not exist" in said
    grid.write_text("network: [x.onnx]\n")
    code, said = run(grid, "--out", tmp_path)
    assert code == 2 and "jobs.yaml" in said and "networks" in said
