"""Find the recipe and the target that meet limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gdfq_export.jobs.batch.job import JobSettings
from gdfq_export.jobs.batch.network_source import NetworkSource
from gdfq_export.jobs.cluster.work import Cluster
from gdfq_export.jobs.given_inputs import recipe_of
from gdfq_export.jobs.run_context import RunContext
from gdfq_export.jobs.search.answer import write_search
from gdfq_export.jobs.search.cells import SearchCell, make_cells, targets_here, usual_recipes
from gdfq_export.jobs.search.limits import Limits
from gdfq_export.jobs.search.search import HERE, SearchRequest
from gdfq_export.jobs.search.search import search as run_search
from gdfq_export.jobs.search.search_report import SearchReport
from gdfq_export.recipe import Recipe
from gdfq_export.report.batch.row import BatchRow

MAX_LATENCY = "max-latency-ms"


def _silent(cell: SearchCell, row: BatchRow) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """The grid of a search, and what is written of its answer.

    Args:
        recipes: names, files or `Recipe`s; empty: six shipped ones from 8 down to 4 bits.
        targets: runtimes; empty: those that work on this machine.
        seeds: later ones are tried only where they can change the answer.
        data: real images to score with.
        calibration: images to use instead of synthesizing.
        seconds: time for the whole search; cells that were not begun by then are left out.
        recipe_out: YAML file for the answer's recipe.
        onnx_out: ONNX file for the answer.
        cluster: where cells run, `workers` of them at a time; by default one after another in this process.
        listener: is told of each cell that was measured.
    """

    recipes: Sequence[Recipe | str | Path] = ()
    targets: Sequence[str] = ()
    seeds: Sequence[int] = (0,)
    data: str | Path | None = None
    calibration: str | Path | None = None
    seconds: float | None = None
    recipe_out: Path | None = None
    onnx_out: Path | None = None
    cluster: Cluster = HERE
    listener: Callable[[SearchCell, BatchRow], None] = _silent


def search(
    model: NetworkSource | str | Path | None = None,
    out: str | Path = "search",
    *,
    limits: Mapping[str, float | bool] | None = None,
    options: SearchOptions | None = None,
    run: RunContext | None = None,
) -> SearchReport:
    """Find the recipe and the target whose file meets all limits and loses least; of equal ones the fastest.

    Args:
        model: the float network: a path, a published network's name, or None for the embedded demo.
        out: folder for `search.json`, `search.md` and the results of the cells, which are not run again.
        limits: gates by name, and `max-latency-ms` for the median: `{"max-latency-ms": 5, "max-top1-drop-pp": 1}`.
        options: the grid, images, and where the answer is written.
        run: device, progress, and with `budget_seconds` the time of each cell.

    Returns:
        All cells with their figures, or with the reason why each was stopped; `report.answer` is the one that was
        found, None where none meets the limits.

    Raises:
        InputError: the network, a recipe, a target or a limit cannot be used.

    Example:
        >>> import gdfq_export as gq
        >>> found = gq.search("net.onnx", limits={"max-latency-ms": 5})  # doctest: +SKIP
        >>> found.answer.recipe, found.answer.target  # doctest: +SKIP
        ('w8a8-ort-cpu', 'openvino')
    """
    options, run = options or SearchOptions(), (run or RunContext()).started()
    gates = dict(limits or {})
    latency = gates.pop(MAX_LATENCY, None)
    recipes = [recipe_of(recipe, None) for recipe in options.recipes] or usual_recipes()
    source = model if isinstance(model, NetworkSource) else NetworkSource(model=None if model is None else str(model))
    request = SearchRequest(
        network=source,
        cells=make_cells(recipes, options.targets or targets_here(), options.seeds),
        limits=Limits(gates=gates, max_latency_ms=None if latency is None else float(latency)),
        settings=JobSettings(
            data=options.data,
            calibration=options.calibration,
            budget_seconds=run.budget_seconds,
            device=run.device,
            threads=run.threads or 1,
        ),
        seconds=options.seconds,
        cluster=options.cluster,
    )
    report = run_search(request, Path(out), run, options.listener)
    write_search(request, report, Path(out), recipe_out=options.recipe_out, onnx_out=options.onnx_out)
    return report
