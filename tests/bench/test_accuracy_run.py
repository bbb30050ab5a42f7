from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bench import results_file
from bench.accuracy import main
from bench.accuracy_cells import Cell
from bench.accuracy_run import Place, load_network, real_images, scored_images
from gdfq_export.frontend.demo import held_out_set

NOWHERE = Place(folder=None, images=None)


def test_the_second_half_is_scored() -> None:
    cell = Cell(network="demo", bits="w8a8", method="ours", seed=0)
    scored, facts = scored_images(cell, NOWHERE, load_network(cell, NOWHERE))
    whole = held_out_set()
    assert (facts["from"], facts["images"], facts["of"]) == (449, 450, 899)
    assert (scored.images == whole.images[449:]).all() and (scored.labels == whole.labels[449:]).all()


def test_without_training_images_the_other_half_is_real(tmp_path: Path) -> None:
    cell = Cell(network="cifar100_resnet20_cy", bits="w4a4", method="real", seed=0)
    model = load_network(Cell(network="demo", bits="w4a4", method="real", seed=0), NOWHERE)
    channels, height, width = model.input_spec.shape
    pixels = np.random.default_rng(0).integers(0, 256, (10, height, width, channels), dtype=np.uint8)
    np.savez(tmp_path / "cifar100_mixed_dev.npz", images=pixels, labels=np.arange(10))
    place = Place(folder=tmp_path, images=None)
    scored, _ = scored_images(cell, place, model)
    real = real_images(cell, place, model)
    assert (real.labels.tolist(), scored.labels.tolist()) == ([0, 1, 2, 3, 4], [5, 6, 7, 8, 9])
    assert real.origin == "cifar100_mixed_dev.npz, images 0 to 4"


@pytest.mark.parametrize("method", ["dfq", "real"])
def test_a_cell_writes_what_the_page_reads(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results_file, "FOLDER", tmp_path)
    monkeypatch.setattr("bench.accuracy.RESULTS", tmp_path / "accuracy")
    ran = CliRunner().invoke(main, ["run", "demo", "w8a8", method, "--budget", "20"], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    body = json.loads((tmp_path / "accuracy" / f"demo-w8a8-{method}-seed0.json").read_text(encoding="utf-8"))
    assert body["report"]["accuracy"]["images"] == body["scored"]["images"] == 450
    assert body["report"]["parity"]["exact"]
    assert (body["set"] is None) == (method == "dfq")
    made = CliRunner().invoke(main, ["page", "--results", str(tmp_path / "accuracy"), "--out", str(tmp_path / "a.md")])
    assert made.exit_code == 0, made.output
    assert "Float 99.11 %, 450 images" in (tmp_path / "a.md").read_text(encoding="utf-8")


def test_a_cell_without_images_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GDFQ_EXPORT_DATA", raising=False)
    ran = CliRunner().invoke(main, ["run", "pytorchcv:resnet18", "w4a4", "real"])
    assert ran.exit_code == 2 and "no real images" in ran.output


@pytest.mark.parametrize(
    "network",
    [
        "resnet18",
        "shufflenet_g1_w1",
        pytest.param("resnet50", marks=pytest.mark.slow),
        pytest.param("mobilenetv2_w1", marks=pytest.mark.slow),
    ],
)
def test_the_papers_networks_are_planned_without_their_weights(network: str) -> None:
    pytest.importorskip("pytorchcv", reason="the extra zoo is not installed")
    ran = CliRunner().invoke(
        main, ["run", f"pytorchcv:{network}", "w4a4-first-last", "ours", "--dry-run", "--untrained"]
    )
    assert ran.exit_code == 0, ran.output
    assert "in float: 0" in ran.output and "int4" in ran.output
    assert "1000 classes" in ran.output
