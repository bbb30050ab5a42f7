"""A search as a job: drafts first, then the cells that may be the answer, each a job of a store."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gdfq_export import __version__
from gdfq_export.errors import InputError
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs.batch.job import Job, JobSettings, make_job
from gdfq_export.jobs.batch.network_source import NetworkSource
from gdfq_export.jobs.batch.run_batch import run_batch
from gdfq_export.jobs.batch.store import Store
from gdfq_export.jobs.cluster.work import Cluster
from gdfq_export.jobs.run_context import RunContext
from gdfq_export.jobs.search.cells import SearchCell
from gdfq_export.jobs.search.draft_facts import DraftFacts, measure_drafts
from gdfq_export.jobs.search.limits import Limits
from gdfq_export.jobs.search.search_grid import Found, Pace, search_grid
from gdfq_export.jobs.search.search_report import SearchReport, SearchRow
from gdfq_export.jobs.search.stopping import Tried
from gdfq_export.report.batch.row import BatchRow
from gdfq_export.report.gates import require_gates_of_task
from gdfq_export.runtimes.environment.machine import this_machine
from gdfq_export.support.files import parse_json

DRAFTS = "drafts.json"
HERE = Cluster(workers=1)
"""One cell after another in this process: speed is measured best on a machine that does nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """What is searched.

    Attributes:
        network: the float network.
        cells: the grid, as `make_cells` orders it.
        limits: what the answer must meet.
        settings: of every cell but its seed: data, calibration, budget, device; gates are those of the limits.
        seconds: time for the whole search; None has no end.
        cluster: where cells run; as many at a time as it has `workers`.
    """

    network: NetworkSource
    cells: tuple[SearchCell, ...]
    limits: Limits
    settings: JobSettings = field(default_factory=JobSettings)
    seconds: float | None = None
    cluster: Cluster = HERE

    def job(self, cell: SearchCell) -> Job:
        """The job that runs a cell."""
        return make_job(
            self.network, cell.recipe, dataclasses.replace(self.settings, seed=cell.seed, gates=self.limits.gates)
        )


Listener = Callable[[SearchCell, BatchRow], None]
"""Is told of each cell that ran, or that the folder holds."""


def search(
    request: SearchRequest, folder: Path, run: RunContext, listener: Listener = lambda cell, row: None
) -> SearchReport:
    """Find the cell that meets the limits and loses least; cells that the folder holds are not run again.

    Args:
        request: what is searched.
        folder: of the cells' results.
        run: batch of the drafts' timing, progress.
        listener: is told of each cell.

    Raises:
        InputError: the network cannot be used, or a gate is not of its task.
        BackendUnavailable: the cluster cannot be used, or was lost; the same search goes on from what is done.
    """
    began = time.monotonic()
    model = request.network.load()
    run.progress.warn(*model.warnings)
    require_gates_of_task(request.limits.gates, model.task.name, model.source)
    _require_labels(request)
    if not request.cells:
        raise InputError("the grid of the search is empty; name at least one recipe, target and seed")
    drafts = drafts_in(folder, request, model, run)
    seconds_drafts = time.monotonic() - began
    store = Store(str(folder))
    jobs: list[Job] = []
    left = None if request.seconds is None else began + request.seconds

    def measure(cells: Sequence[SearchCell]) -> list[BatchRow]:
        now = [request.job(cell) for cell in cells]
        jobs.extend(now)  # the store's page lists all of them
        rows = {row.job: row for row in run_batch(jobs, store, request.cluster).rows}
        for cell, job in zip(cells, now, strict=True):
            listener(cell, rows[job.sha256])
        return [rows[job.sha256] for job in now]

    pace = Pace(at_once=request.cluster.workers or 1, time_left=lambda: left is None or time.monotonic() < left)
    found = search_grid(request.cells, drafts, request.limits, measure, pace)
    return _report(request, model, drafts, found, seconds_drafts)


def _require_labels(request: SearchRequest) -> None:
    """Refuse limits on figures that need labels where there are none."""
    for name in request.limits.gates:
        if name.endswith("-drop-pp") and request.settings.data is None and request.network.model is not None:
            raise InputError(
                f"{name} compares with labels, and no labelled images were given; give --data, or a limit on the "
                "agreement with the float network, such as --min-agreement 0.98"
            )


def drafts_in(folder: Path, request: SearchRequest, model: FloatModel, run: RunContext) -> dict[str, DraftFacts]:
    """Facts of all structures, measured now or by an earlier search of the same grid, kept in the folder."""
    asked = {
        "tool_version": __version__,
        "network": model.sha256,
        "structures": sorted({cell.structure for cell in request.cells}),
        "cpu": this_machine().cpu,
        "batch": run.batch,
    }
    path = folder / DRAFTS
    if path.is_file():
        kept: Any = parse_json(path.read_bytes())
        if kept.get("asked") == asked:
            return {name: DraftFacts(**_tuples(facts)) for name, facts in kept["drafts"].items()}
    drafts = measure_drafts(model, request.cells, run)
    body = {"asked": asked, "drafts": {name: dataclasses.asdict(facts) for name, facts in drafts.items()}}
    Store(str(folder)).write({DRAFTS: json.dumps(body, indent=2) + "\n"})
    return drafts


def _tuples(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()}


def _report(
    request: SearchRequest, model: FloatModel, drafts: Mapping[str, DraftFacts], found: Found, seconds: float
) -> SearchReport:
    tried = {each.cell.name: each for each in found.tried}
    reasons = {cell.name: reason for cell, reason in found.stopped}
    rows = tuple(
        _row(cell, drafts[cell.structure], tried.get(cell.name), reasons.get(cell.name, ""), request.limits)
        for cell in request.cells
    )
    names = [cell.name for cell in request.cells]
    limits = dict(request.limits.gates)
    if request.limits.max_latency_ms is not None:
        limits["max-latency-ms"] = request.limits.max_latency_ms
    return SearchReport(
        tool_version=__version__,
        network=model.name,
        limits=limits,
        rows=rows,
        best=None if found.best is None else names.index(found.best.cell.name),
        nearest=None if found.nearest is None else names.index(found.nearest.cell.name),
        seconds_drafts=seconds,
        seconds_cells=sum(each.row.seconds for each in found.tried),
    )


def _row(cell: SearchCell, facts: DraftFacts, tried: Tried | None, reason: str, limits: Limits) -> SearchRow:
    row = SearchRow(
        recipe=cell.recipe.name,
        target=cell.target,
        seed=cell.seed,
        outcome="stopped",
        reason=reason,
        draft_ms=None if facts.reason is not None else facts.latency_ms[0],
        draft_size_ratio=None if facts.reason is not None else facts.size_ratio,
        draft_snr_db=None if facts.reason is not None else facts.snr_db,
    )
    if tried is None:
        return row
    measured = tried.row
    if measured.reason is not None:
        return dataclasses.replace(row, outcome="failed", reason=measured.reason, row=measured)
    missed = limits.misses(measured)
    return dataclasses.replace(row, outcome="misses" if missed else "meets", reason="; ".join(missed), row=measured)
