"""A search of the demo as a whole: drafts, jobs in a store, the answer, and going on from what is done."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import gdfq_export as gq
from gdfq_export.errors import InputError
from gdfq_export.jobs.batch.store import Store
from gdfq_export.jobs.search import search as job
from gdfq_export.recipe import Bits, Calibration, Data, Recipe, Verify, load_recipe

QUICK = Recipe(
    name="quick",
    data=Data(method="noise"),
    calibration=Calibration(images=64),
    verify=Verify(agreement_images=64, parity_images=16, latency_seconds=0.1),
)
NARROW = QUICK.model_copy(update={"name": "narrow", "bits": Bits(weights=4, activations=4)})
OPTIONS = gq.SearchOptions(recipes=(NARROW, QUICK), targets=("ort-cpu",))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("search")


@pytest.fixture(scope="module")
def found(folder: Path) -> job.SearchReport:
    options = gq.SearchOptions(
        recipes=(NARROW, QUICK), targets=("ort-cpu",), recipe_out=folder / "answer.yaml", onnx_out=folder / "net.onnx"
    )
    return gq.search(None, folder / "out", limits={"max-top1-drop-pp": 5, "max-latency-ms": 1e4}, options=options)


def test_every_cell_has_figures_or_a_reason(found: job.SearchReport) -> None:
    assert found.answer is not None and found.answer.recipe == "quick"
    assert [row.recipe for row in found.rows] == ["quick", "narrow"]
    assert all(row.reason or row.outcome == "meets" for row in found.rows)
    assert all(row.draft_ms and row.draft_snr_db for row in found.rows)


def test_the_answer_is_a_recipe_that_makes_the_same_file(found: job.SearchReport, folder: Path) -> None:
    recipe = load_recipe(folder / "answer.yaml")
    assert recipe.gates.limits() == {"max-top1-drop-pp": 5}
    again = gq.quantize(None, recipe, run=gq.RunContext(threads=1))
    assert again.onnx_bytes == (folder / "net.onnx").read_bytes()


def test_the_page_links_to_the_reports_of_the_cells(found: job.SearchReport, folder: Path) -> None:
    page = (folder / "out/search.md").read_text(encoding="utf-8")
    assert found.answer is not None and found.answer.row is not None
    assert f"(jobs/{found.answer.row.job}/report.html)" in page and "max-latency-ms 10000" in page
    assert (folder / f"out/jobs/{found.answer.row.job}/report.html").is_file()
    assert json.loads((folder / "out/search.json").read_text(encoding="utf-8"))["best"] == found.best


def test_the_same_search_runs_nothing_again(
    found: job.SearchReport, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Store(str(folder / "out")).executions()
    monkeypatch.setattr(job, "measure_drafts", None)
    again = gq.search(None, folder / "out", limits={"max-top1-drop-pp": 5, "max-latency-ms": 1e4}, options=OPTIONS)
    assert again.answer == found.answer
    assert Store(str(folder / "out")).executions() == before


def test_other_limits_use_the_same_cells(found: job.SearchReport, folder: Path) -> None:
    none = gq.search(None, folder / "out", limits={"max-latency-ms": 1e-6}, options=OPTIONS)
    assert none.answer is None and none.nearest_row is None
    assert all("max-latency-ms is 1e-06" in row.reason for row in none.rows)


def test_limits_that_need_labels_are_refused_without_them(tmp_path: Path, folder: Path) -> None:
    import onnx

    onnx.save(gq.load().original, tmp_path / "net.onnx")
    with pytest.raises(InputError, match="max-top1-drop-pp compares with labels"):
        gq.search(tmp_path / "net.onnx", tmp_path / "out", limits={"max-top1-drop-pp": 1}, options=OPTIONS)
