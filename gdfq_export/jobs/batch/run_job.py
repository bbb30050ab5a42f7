"""`run_job()`: one job of a batch, run unless the store holds it, and committed by the process that ran it."""

from __future__ import annotations

import dataclasses
import json
import logging
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from calib.errors import DataError
from gdfq_export.errors import GdfqExportError, InputError
from gdfq_export.frontend.demo import held_out_set
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs.batch.job import Job
from gdfq_export.jobs.batch.network_cache import loaded
from gdfq_export.jobs.batch.store import MANIFEST, MODEL, PAGE, PICTURE, REPORT, Store
from gdfq_export.jobs.given_inputs import calibration_of, labelled_of
from gdfq_export.jobs.quantizing.request import QuantizeRequest
from gdfq_export.jobs.quantizing.whole_run import run_whole
from gdfq_export.jobs.result import Result
from gdfq_export.jobs.run_context import RunContext
from gdfq_export.report.batch.row import BatchRow, JobFigures
from gdfq_export.report.gates import decide, require_gates_of_task
from gdfq_export.report.json_form import from_json, to_json_data
from gdfq_export.report.report import Report
from gdfq_export.support.files import parse_json
from gdfq_export.support.progress import Progress, SilentProgress
from gdfq_export.views.html import render_page

MANIFEST_VERSION = 1

_one_at_a_time = threading.Lock()  # torch's threads and random numbers are those of the process
log = logging.getLogger(__name__)


def run_job(job: Job, store: Store, progress: Progress | None = None) -> BatchRow:
    """Run a job unless the store holds it, write model.onnx, report.json and report.html, and give its row.

    What the user can fix (a network that cannot be used, a runtime that is missing) is the row's reason.
    A job that the store holds with other gates is decided anew from its report.

    Args:
        job: what to run.
        store: where the results go, complete or not at all.
        progress: where phases report themselves.
    """
    with _one_at_a_time:
        began = time.monotonic()
        try:
            row = stored_row(job, store)
            return _run(job, store, progress or SilentProgress()) if row is None else row
        except (GdfqExportError, DataError) as error:
            code = error.exit_code if isinstance(error, GdfqExportError) else InputError.exit_code
            return failed_row(job, str(error), code, time.monotonic() - began)


def failed_row(job: Job, reason: str, exit_code: int, seconds: float = 0.0) -> BatchRow:
    """The row of a job that could not be run."""
    return dataclasses.replace(_row(job), reason=reason, failed_with=exit_code, seconds=seconds)


def _row(job: Job) -> BatchRow:
    recipe = job.recipe
    return BatchRow(job=job.sha256, network=job.network_name, recipe=recipe.name, target=recipe.target, seed=job.seed)


def stored_row(job: Job, store: Store) -> BatchRow | None:
    """The row of a job that the store holds; None where it does not.

    Raises:
        InputError: the results are damaged, or the job's gates are not of the network's task.
    """
    manifest = store.manifest(job.sha256)
    if manifest is None:
        return None
    if manifest["gates"] != dict(job.gates):
        manifest = _decided_again(job, store, manifest)
    row = _row_of(manifest, f"{store.location('jobs')}/{job.sha256}/job.json")
    return dataclasses.replace(row, network=job.network_name)


def report_of(job: Job, store: Store) -> Report:
    """The report of a job that the store holds.

    Raises:
        InputError: there is none, or it is damaged.
    """
    where = store.location(f"jobs/{job.sha256}/{REPORT}")
    try:
        body = parse_json(store.read(job.sha256, REPORT))
    except ValueError as error:
        raise InputError(f"{where} is no JSON; remove its folder, and the job is run again") from error
    report: Report = from_json(Report, body, where)
    return report


def _run(job: Job, store: Store, progress: Progress) -> BatchRow:
    if job.refused is not None:
        raise InputError(job.refused)
    began = time.monotonic()
    store.begin(job.sha256)
    result = _quantized(job, loaded(job.network, job.identity.network_sha256), progress)
    files, seconds = _files(result), time.monotonic() - began
    manifest = _manifest(job, result.report, seconds=seconds, task=result.model.task.name, files=files)
    store.commit(job.sha256, {**files, MANIFEST: _text(manifest)})
    log.info("%s: %.1f s", job.name, seconds)
    return _row_of(manifest, job.name)


def _quantized(job: Job, network: FloatModel, progress: Progress) -> Result:
    run = RunContext(
        seed=job.seed,
        device=job.device,
        threads=job.threads,
        budget_seconds=job.budget_seconds,
        progress=progress,
    ).started()
    data: Any = held_out_set() if job.network.model is None and job.data is None else job.data
    calibration = None if job.calibration is None else Path(job.calibration)
    request = QuantizeRequest(
        model=network,
        recipe=job.recipe,
        labelled=None if data is None else labelled_of(data, network),
        calibration=calibration_of(calibration, job.recipe, network),
        gates=job.gates,
        name=MODEL,
    )
    return run_whole(request, run)


def _files(result: Result) -> dict[str, bytes | str]:
    files: dict[str, bytes | str] = {MODEL: result.onnx_bytes, REPORT: result.report.to_json(), PAGE: result.page}
    return files if result.picture is None else {**files, PICTURE: result.picture}


def _decided_again(job: Job, store: Store, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of a job whose gates are others now; report and page are written with their verdicts."""
    require_gates_of_task(job.gates, manifest["task"], job.network_name)
    report = report_of(job, store)
    report = dataclasses.replace(report, gates=decide(report, job.gates))
    picture = store.read(job.sha256, PICTURE) if PICTURE in manifest["files"] else None
    files: dict[str, bytes | str] = {REPORT: report.to_json(), PAGE: render_page(report, picture=picture)}
    again = _manifest(job, report, seconds=manifest["seconds"], task=manifest["task"], files=manifest["files"])
    store.commit(job.sha256, {**files, MANIFEST: _text(again)})
    return again


def _manifest(job: Job, report: Report, *, seconds: float, task: str, files: Iterable[str]) -> dict[str, Any]:
    """What makes a job complete: its identity, the names of its files, and its row."""
    row = dataclasses.replace(
        _row(job),
        figures=JobFigures.of(report),
        gates=report.gates,
        warnings=report.warnings,
        seconds=seconds,
    )
    return {
        "schema_version": MANIFEST_VERSION,
        "job": job.sha256,
        "identity": dataclasses.asdict(job.identity),
        "gates": dict(job.gates),
        "task": task,
        "seconds": seconds,
        "files": [*files],
        "row": to_json_data(row, "", {}),
    }


def _row_of(manifest: Mapping[str, Any], where: str) -> BatchRow:
    row: BatchRow = from_json(BatchRow, {**manifest["row"], "reasons": {}}, where)
    return row


def _text(manifest: Mapping[str, Any]) -> str:
    return json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
