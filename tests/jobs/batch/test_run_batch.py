"""A batch: rows in order, failures beside results, pages of the whole, and nothing that runs twice."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import junitparser
import pytest

import gdfq_export as gq
from gdfq_export.jobs.batch import run_batch as module
from gdfq_export.jobs.batch.jobs_file import read_jobs
from gdfq_export.jobs.batch.run_job import failed_row
from gdfq_export.jobs.batch.store import Store
from gdfq_export.jobs.cluster.work import Cluster, Done, Work
from gdfq_export.report.batch.row import BatchRow
from gdfq_export.support.interruption import Interrupted
from tests.jobs.batch.grids import table, write_grid

HERE = Cluster(workers=1)


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grid")
    return write_grid(folder, networks=1, seeds=(0, 1))


@pytest.fixture(scope="module")
def out(grid: Path) -> Path:
    gq.batch(grid, grid.parent / "out", cluster=HERE)
    return grid.parent / "out"


def test_a_row_for_each_job_and_pages_of_all(out: Path, grid: Path) -> None:
    rows = table(out)
    assert [(row["network"], row["seed"], row["verdict"]) for row in rows] == [
        ("net0", 0, "measured"), ("net0", 1, "measured"),
    ]  # fmt: skip
    page = (out / "index.html").read_text(encoding="utf-8")
    for row in rows:
        assert f"jobs/{row['job']}/report.html" in page and (out / "jobs" / row["job"] / "report.html").is_file()
    suites = junitparser.JUnitXml.fromfile(str(out / "junit.xml"))
    assert [suite.errors for suite in suites] == [0, 0]


def test_bytes_are_those_of_quantize(out: Path, grid: Path) -> None:
    for job in read_jobs(grid):
        alone = gq.quantize(job.network.model, job.recipe, run=gq.RunContext(seed=job.seed, device="cpu", threads=1))
        assert Store(str(out)).read(job.sha256, "model.onnx") == alone.onnx_bytes


def test_the_same_batch_again_runs_nothing(out: Path, grid: Path) -> None:
    told: list[bool] = []
    before = table(out)
    gq.batch(grid, out, cluster=HERE, listener=lambda row, ran: told.append(ran))
    assert told == [False, False] and table(out) == before
    assert len(Store(str(out)).executions()) == 2


def test_a_network_that_cannot_be_used_stops_no_other(tmp_path: Path) -> None:
    grid = write_grid(tmp_path, networks=1, seeds=(0,), gates={"max-size-ratio": 0.01})
    (tmp_path / "broken.onnx").write_bytes(b"no protobuf")
    grid.write_text(grid.read_text().replace("- net0.onnx", "- broken.onnx\n- missing.onnx\n- net0.onnx"))
    found = gq.batch(grid, tmp_path / "out", cluster=HERE)
    assert [row.verdict for row in found.rows] == ["not run", "not run", "failed"]
    assert [row.exit_code for row in found.rows] == [2, 2, 1] and found.exit_code == 2
    assert "missing.onnx does not exist" in (found.rows[1].reason or "")
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "missing.onnx does not exist" in page
    body = json.loads((tmp_path / "out" / "batch.json").read_text())
    assert body["exit_code"] == 2 and body["rows"][0]["reason"]
    suites = list(junitparser.JUnitXml.fromfile(str(tmp_path / "out" / "junit.xml")))
    assert [(suite.errors, suite.failures) for suite in suites] == [(1, 0), (1, 0), (0, 1)]


def _stand_in(done: dict[int, BatchRow | BaseException]) -> object:
    """`run_work` whose pieces end as told, by number; an Interrupted or BackendUnavailable ends them all."""

    def run_work(functions: object, work: list[Work], cluster: Cluster) -> object:
        for number, each in enumerate(work):
            outcome = done[number]
            if isinstance(outcome, Interrupted | gq.BackendUnavailable):
                raise outcome
            if isinstance(outcome, BaseException):
                yield Done(work=each, error=outcome)
            else:
                yield Done(work=each, value=outcome)

    return run_work


@pytest.mark.parametrize("lost", [Interrupted(), gq.BackendUnavailable("the connection was lost")])
def test_what_ends_a_batch_says_what_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: BaseException
) -> None:
    jobs = read_jobs(write_grid(tmp_path, seeds=(0, 1)))
    first = dataclasses.replace(failed_row(jobs[0], "", 0), reason=None)
    monkeypatch.setattr(module, "run_work", _stand_in({0: first, 1: lost}))
    with pytest.raises((Interrupted, gq.BackendUnavailable)) as caught:
        gq.batch(jobs, tmp_path / "out", cluster=HERE)
    said = caught.value.go_on if isinstance(caught.value, Interrupted) else str(caught.value)
    assert "1 of 2 jobs are done in" in said
    assert "1 still to run" in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")


class KilledWorker(Exception):
    """As Dask's, which says that workers died."""


@pytest.mark.parametrize(
    ("error", "words"),
    [(KilledWorker(), "every worker that ran it died"), (ValueError("x"), "internal error: ValueErr")],
)
def test_a_defect_is_a_row_of_exit_code_4(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    jobs = read_jobs(write_grid(tmp_path))
    monkeypatch.setattr(module, "run_work", _stand_in({0: error}))
    found = gq.batch(jobs, tmp_path / "out", cluster=HERE)
    assert found.exit_code == 4 and words in (found.rows[0].reason or "")
