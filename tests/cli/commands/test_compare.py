"""gdfq-export compare: options reach the comparison, rows are printed as cells are there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from gdfq_export.cli.commands.compare import ALL_METHODS, USUAL_BITS
from gdfq_export.cli.main import cli
from gdfq_export.jobs.compare.methods import BIT_WIDTHS, METHODS
from tests.jobs.compare import compared


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny network in place of whatever is named."""
    network = compared.network()
    monkeypatch.setattr("gdfq_export.frontend.sources.model_name.require_model", lambda model: None)
    monkeypatch.setattr("gdfq_export.api.load", lambda source, **options: network)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    path = tmp_path / "photos.npz"
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (24, 8, 8, 1), dtype=np.uint8)
    np.savez(path, images=pixels, labels=random.integers(0, compared.CLASSES, 24))
    return path


def run(*arguments: object, code: int = 0) -> Result:
    words = ["compare", "net.onnx", "--device", "cpu", "--threads", "1", *map(str, arguments)]
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == code, result.output
    return result


def test_the_defaults_are_all_methods() -> None:
    assert ALL_METHODS.split(",") == list(METHODS)
    assert set(USUAL_BITS.split(",")) <= BIT_WIDTHS.keys()
    said = CliRunner().invoke(cli, ["compare", "--help"]).output
    assert all(name in said for name in BIT_WIDTHS)


def test_a_comparison_is_printed_and_written(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    result = run("--out", out, "--data", photos, "--methods", "noise,real", "--bits", "w8a8,w4a4", "--budget", "5s")
    rows = [line.split() for line in result.stdout.splitlines() if line.startswith("W")]
    assert [row[:2] for row in rows] == [["W8A8", "noise"], ["W8A8", "real"], ["W4A4", "noise"], ["W4A4", "real"]]
    assert "drop of Top-1, percentage points" in result.stdout
    assert "no real images were given; give some as --calibration" in result.stdout
    assert "24 labelled images of" in result.stdout
    body = json.loads((out / "comparison.json").read_text())
    assert (body["scored"]["images"], body["budget_seconds"], len(body["cells"])) == (24, 5.0, 4)
    again = run("--out", out, "--data", photos, "--methods", "noise", "--bits", "w8a8", "--budget", "5s")
    assert "(from an earlier run)" in again.stdout
    assert sorted(path.name for path in out.iterdir()) == [
        "comparison.json",
        "comparison.md",
        "comparison.png",
        "files",
    ]


def test_a_target_and_real_images_reach_the_cells(photos: Path, tmp_path: Path) -> None:
    real = tmp_path / "real.npz"
    np.savez(real, images=np.load(photos)["images"][::-1].copy() // 2, labels=np.load(photos)["labels"])
    out = tmp_path / "out"
    options = ("--methods", "real", "--bits", "w8a8", "--budget", "5s", "--target", "ort-cpu-avx2", "--seed", 7)
    run("--out", out, "--data", photos, "--calibration", real, *options)
    body = json.loads((out / "comparison.json").read_text())
    assert (body["target"], body["seed"], body["real"]["images"]) == ("ort-cpu-avx2", 7, 24)
    assert body["cells"][0]["measured"]["tuned_on"] == "real images"


def test_without_labels_images_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gdfq_export.jobs.compare.scored_images.DEFAULT_RECIPE", "paper/noise")  # trains no generator
    out = tmp_path / "out"
    options = ("--methods", "dfq", "--bits", "w8a8", "--images", 8)
    result = run("--out", out, *options)
    assert "answers that are not float's, %" in result.stdout
    assert "agreement with the float network on 8 fresh images made from the network" in result.stdout
    assert (out / "images.npz").exists()


def test_when_nothing_could_be_run_it_fails_with_the_first_reason(photos: Path, tmp_path: Path) -> None:
    result = run("--out", tmp_path / "o", "--data", photos, "--methods", "real", "--bits", "w8a8", code=2)
    assert "no cell could be run; the first: no real images were given" in result.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--methods", "noise,zero"), "did you mean zeroq?"),
        (("--methods", "noise,,dfq"), "is not a list of names"),
        (("--bits", "w2a2"), "there is no bits 'w2a2'"),
        (("--target", "tpu"), "unknown target 'tpu'"),
        (("--data", __file__, "--images", "5"), "contradict each other"),
    ],
    ids=["method", "empty", "bits", "target", "both"],
)
def test_a_wrong_option_is_told_before_anything_is_made(options: tuple[str, ...], said: str, tmp_path: Path) -> None:
    result = run("--out", tmp_path / "out", *options, code=2)
    assert said in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    assert "cannot make the folder" in run("--out", tmp_path / "out", code=2).stderr
    assert (tmp_path / "out").read_text() == "mine"


def test_inputs_are_not_overwritten(tmp_path: Path) -> None:
    data = tmp_path / "images.npz"
    data.write_bytes(b"mine")
    assert "would be overwritten" in run("--out", tmp_path, "--calibration", data, code=2).stderr
    assert data.read_bytes() == b"mine"
