"""One job: its address, its results in the store, complete or absent, and what it says where it cannot run."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

import gdfq_export as gq
from gdfq_export.jobs.batch.job import Job, JobSettings, make_job
from gdfq_export.jobs.batch.network_source import NetworkSource
from gdfq_export.jobs.batch.run_job import report_of, run_job
from gdfq_export.jobs.batch.store import MODEL, PAGE, Store
from gdfq_export.recipe import Recipe, Verify, load_recipe


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    quick = Verify(agreement_images=8, parity_images=8, latency_seconds=0)
    return load_recipe("paper/noise").model_copy(update={"verify": quick})


def job(recipe: Recipe, **settings: object) -> Job:
    return make_job(NetworkSource(), recipe, JobSettings(**settings))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, recipe: Recipe) -> Store:
    """A store that holds one job."""
    store = Store(str(tmp_path_factory.mktemp("store")))
    assert run_job(job(recipe), store).exit_code == 0
    return store


def test_a_job_writes_what_quantize_writes(store: Store, recipe: Recipe) -> None:
    alone = gq.quantize(recipe=recipe)
    held = store.read(job(recipe).sha256, MODEL)
    assert held == alone.onnx_bytes
    report = report_of(job(recipe), store)
    assert report.files.quantized.sha256 == hashlib.sha256(held).hexdigest()
    assert b"<html" in store.read(job(recipe).sha256, PAGE)


def test_what_is_held_is_not_run_again(store: Store, recipe: Recipe) -> None:
    again = run_job(job(recipe), store)
    assert again.figures is not None and again.verdict == "measured"
    assert store.executions().count(job(recipe).sha256) == 1


def test_other_gates_are_decided_from_the_report(store: Store, recipe: Recipe) -> None:
    asked = job(recipe, gates={"max-size-ratio": 0.01})
    assert asked.sha256 == job(recipe).sha256
    row = run_job(asked, store)
    assert (row.verdict, row.exit_code) == ("failed", 1)
    assert [gate.name for gate in report_of(asked, store).gates] == ["max-size-ratio"]
    assert b"max-size-ratio" in store.read(asked.sha256, PAGE)
    assert store.executions().count(asked.sha256) == 1
    assert run_job(job(recipe), store).verdict == "measured"


def test_gates_of_another_task_are_a_reason(store: Store, recipe: Recipe) -> None:
    row = run_job(job(recipe, gates={"min-mask-iou": 0.5}), store)
    assert row.exit_code == 2 and row.reason is not None and "min-mask-iou" in row.reason


def test_each_part_of_a_job_changes_its_address(recipe: Recipe, tmp_path: Path) -> None:
    images = tmp_path / "images.npz"
    images.write_bytes(b"1")
    asked = [
        job(recipe),
        job(recipe, seed=1),
        job(recipe, data=images),
        job(recipe, calibration=images),
        job(recipe, budget_seconds=9.0),
        job(recipe.model_copy(update={"target": "openvino"})),
        make_job(NetworkSource(scale=2.0), recipe),
    ]
    images.write_bytes(b"2")
    asked.append(job(recipe, data=images))
    assert len({each.sha256 for each in asked}) == len(asked)


def test_a_network_is_known_by_all_bytes_that_are_read(tmp_path: Path) -> None:
    file = tmp_path / "net.pt2"
    file.write_bytes(b"1")
    first = NetworkSource(model=str(file)).sha256()
    (tmp_path / "net.json").write_text("{}")
    second = NetworkSource(model=str(file)).sha256()
    file.write_bytes(b"2")
    assert len({first, second, NetworkSource(model=str(file)).sha256()}) == 3


def test_a_missing_network_is_a_reason(recipe: Recipe, tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    asked = make_job(NetworkSource(model=str(tmp_path / "no.onnx")), recipe)
    row = run_job(asked, store)
    assert (row.exit_code, row.verdict) == (2, "not run")
    assert row.reason is not None and "no.onnx does not exist" in row.reason
    assert not store.complete() and not store.executions()


def test_what_has_no_manifest_is_absent(store: Store, recipe: Recipe) -> None:
    folder = Path(store.address) / "jobs" / ("0" * 64)
    folder.mkdir()
    (folder / MODEL).write_bytes(b"half")
    assert store.complete() == {job(recipe).sha256}


def test_a_damaged_manifest_says_what_to_do(recipe: Recipe, tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.write({f"jobs/{job(recipe).sha256}/job.json": "{"})
    row = run_job(job(recipe), store)
    assert row.exit_code == 2 and row.reason is not None and "is run again" in row.reason


def test_the_manifest_says_what_the_job_was(store: Store, recipe: Recipe) -> None:
    manifest = json.loads(store.read(job(recipe).sha256, "job.json"))
    assert manifest["identity"]["target"] == "ort-cpu" and manifest["task"] == "classify"
