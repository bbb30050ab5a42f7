from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from gdfq_export.cli.main import cli

QUICK = """
name: {name}
bits: {{weights: {bits}, activations: {bits}}}
data: {{method: noise}}
calibration: {{images: 64}}
verify: {{agreement_images: 64, parity_images: 16, latency_seconds: 0.1}}
"""


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("recipes")
    for name, bits in (("wide", 8), ("narrow", 4)):
        (folder / f"{name}.yaml").write_text(QUICK.format(name=name, bits=bits), encoding="utf-8")
    return f"{folder}/narrow.yaml,{folder}/wide.yaml"


def test_it_prints_all_cells_and_writes_the_answer(recipes: str, tmp_path: Path) -> None:
    out, answer = tmp_path / "out", tmp_path / "answer.yaml"
    arguments = ["search", "--out", str(out), "--recipes", recipes, "--targets", "ort-cpu", "--recipe-out", str(answer)]
    found = CliRunner().invoke(cli, [*arguments, "--max-top1-drop-pp", "5"])
    assert found.exit_code == 0, found.output
    assert "wide, ort-cpu, seed 0: loss" in found.stdout and "narrow" in found.stdout
    assert answer.read_text(encoding="utf-8").startswith("# The answer of gdfq-export search for demo")
    missed = CliRunner().invoke(cli, [*arguments, "--max-size-ratio", "0.01"])
    assert missed.exit_code == 1
    assert "Error: no cell meets the limits" in missed.stderr


def test_the_nearest_cell_is_named_where_none_meets_the_limits(recipes: str, tmp_path: Path) -> None:
    arguments = ["search", "--out", str(tmp_path), "--recipes", recipes, "--targets", "ort-cpu"]
    found = CliRunner().invoke(cli, [*arguments, "--min-output-snr-db", "90"])
    assert found.exit_code == 1
    assert "the nearest is wide, ort-cpu, seed 0: min-output-snr-db 90.0: failed" in found.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", "0,x"], "are not seeds; give for instance 0,1,2"),
        (["--recipes", "w8a7"], "no recipe is named 'w8a7'"),
        (["--targets", "tpu"], "unknown target 'tpu'"),
        (["--max-latency-ms", "0"], "0.0 is not in the range x>0"),
    ],
)
def test_mistakes_are_told_before_any_work(arguments: list[str], message: str, tmp_path: Path) -> None:
    found = CliRunner().invoke(cli, ["search", "--out", str(tmp_path), *arguments])
    assert found.exit_code == 2 and message in found.stderr
