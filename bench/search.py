"""A search against the whole grid: the same answer, in what part of the time.

    GDFQ_EXPORT_DATA=FOLDER python -m bench.search [NETWORK...] [--short] [--cells FOLDER]

The grid is 24 cells: six recipes for four targets. All cells are run once, one after another, and their seconds are
noted; the search then runs over the same cells, and its time is that of its drafts and of the cells it asks for. The
answer is right if it is that of the grid, or loses no more than the grid's best does at the upper end of its interval.
FOLDER holds models/ and the images of docs/accuracy.md. Writes bench/results/search.json and the table of
docs/search.md.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from bench.results_file import FOLDER, replace_table, write_results
from gdfq_export.jobs.batch.job import JobSettings
from gdfq_export.jobs.batch.network_source import NetworkSource
from gdfq_export.jobs.batch.run_job import run_job
from gdfq_export.jobs.batch.store import Store
from gdfq_export.jobs.run_context import RunContext
from gdfq_export.jobs.search.cells import make_cells, usual_recipes
from gdfq_export.jobs.search.limits import Limits
from gdfq_export.jobs.search.search import SearchRequest, search
from gdfq_export.jobs.search.search_report import SearchReport
from gdfq_export.jobs.search.stopping import Tried, best_of, nearest_of
from gdfq_export.recipe import Recipe

PAGE = FOLDER.parent.parent / "docs" / "search.md"
START, END = "<!-- search -->\n", "<!-- end of search -->\n"
TARGETS = ("ort-cpu", "ort-cpu-avx2", "openvino", "portable")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A network with its images and limits; `model` and `data` are below the folder of the data, None: the demo."""

    model: str | None
    data: str | None
    limits: Limits


CASES = {
    "demo": Case(model=None, data=None, limits=Limits(gates={"max-top1-drop-pp": 2.0})),
    "resnet8": Case(
        model="models/cifar10_resnet8_mlperftiny.onnx",
        data="cifar10_test_dev.npz",
        limits=Limits(gates={"max-top1-drop-pp": 1.0, "max-size-ratio": 0.3}),
    ),
    "resnet20": Case(
        model="models/cifar10_resnet20.onnx",
        data="cifar10_test_dev.npz",
        limits=Limits(gates={"max-top1-drop-pp": 1.0}, max_latency_ms=5.0),
    ),
}


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(tuple(CASES)))
@click.option("--short", is_flag=True, help="A tenth of the recipes' images and steps.")
@click.option("--cells", type=click.Path(path_type=Path), help="Folder of the cells, to go on with later.")
def main(names: Sequence[str], short: bool, cells: Path | None) -> None:
    """Run grid and search for each network."""
    path = FOLDER / "search.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["networks"] if path.exists() else {}
    with tempfile.TemporaryDirectory() as temporary:
        for name in names or CASES:
            folder = (cells or Path(temporary)) / name
            found[name] = {"short": short, **compare(request_of(CASES[name], short=short), folder)}
            click.echo(f"{name}: {json.dumps({key: found[name][key] for key in SHOWN}, indent=1)}")
            write_results("search", {"networks": found})
    replace_table(PAGE, f"\n{table(found)}\n", start=START, end=END)


def table(found: Mapping[str, Any]) -> str:
    """A Markdown table."""
    lines = [
        "| network | limits | cells run | time of the grid | of the search | ratio | best of the grid | answer |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- | --- |",
    ]
    for name, body in found.items():
        limits = ", ".join(f"{limit} {value:g}" for limit, value in body["limits"].items())
        lines.append(
            f"| {name} | {limits} | {body['run']} of {body['cells']} | {body['seconds_grid']:.0f} s "
            f"| {body['seconds_search']:.0f} s | {body['time_ratio']:.2f} | {_shown(body, 'best_of_grid')} "
            f"| {_shown(body, 'answer')} |"
        )
    return "\n".join(lines) + "\n"


def _shown(body: Mapping[str, Any], key: str) -> str:
    loss = next(cell["loss"] for cell in body["grid"] if cell["cell"] == body[key])
    name = body[key].removesuffix(", seed 0")
    return name if loss is None else f"{name}: {loss['value']:.2f} [{loss['low']:.2f}, {loss['high']:.2f}]"


SHOWN = ("cells", "run", "seconds_grid", "seconds_search", "time_ratio", "best_of_grid", "answer", "right")


def shortened(recipe: Recipe) -> Recipe:
    """The recipe with about a tenth of its images and steps, to see the order of cells in less time."""
    settings = recipe.model_dump()
    data, tuning = settings["data"], settings["tuning"]
    data["images"] = 128
    data["generator"] |= {"steps": 30}
    data["refinement"] |= {"steps": 3}
    settings["calibration"]["images"] = 128
    settings["verify"] |= {"agreement_images": 64, "parity_images": 16, "latency_seconds": 0.5}
    if tuning["finetune"] is not None:
        tuning["finetune"]["steps"] //= 10
    return Recipe.model_validate(settings)


def request_of(case: Case, *, short: bool) -> SearchRequest:
    """The search of a case over the grid of 24 cells."""
    data = Path(os.environ.get("GDFQ_EXPORT_DATA", "."))
    return SearchRequest(
        network=NetworkSource(model=None if case.model is None else str(data / case.model)),
        cells=make_cells([shortened(each) if short else each for each in usual_recipes()], TARGETS, [0]),
        limits=case.limits,
        settings=JobSettings(data=None if case.data is None else data / case.data, device="cpu"),
    )


def compare(request: SearchRequest, folder: Path) -> dict[str, Any]:
    """Run the whole grid, then the search over it."""
    store, tried = Store(str(folder)), []
    for number, cell in enumerate(request.cells):
        row = run_job(request.job(cell), store)
        tried.append(Tried(cell=cell, row=row))
        click.echo(
            f"[{number + 1}/{len(request.cells)}] {cell.name}: {row.seconds:.1f} s, {row.verdict} {row.reason or ''}"
        )
    began = time.monotonic()
    report = search(request, folder, RunContext())
    own = time.monotonic() - began  # the cells themselves are only read
    return result(request, tried, report, own)


def result(request: SearchRequest, tried: Sequence[Tried], report: SearchReport, own: float) -> dict[str, Any]:
    """Both answers and both times as JSON data."""
    seconds_grid = sum(each.row.seconds for each in tried)
    seconds_search = own + report.seconds_cells
    chosen = best_of(tried, request.limits) or nearest_of(tried, request.limits)
    answer = report.answer or report.nearest_row
    assert chosen is not None and answer is not None, "something was measured"
    return {
        "cells": len(tried),
        "run": sum(row.row is not None for row in report.rows),
        "limits": dict(report.limits),
        "seconds_grid": round(seconds_grid, 1),
        "seconds_search": round(seconds_search, 1),
        "seconds_drafts": round(report.seconds_drafts, 1),
        "time_ratio": round(seconds_search / seconds_grid, 3),
        "meets": report.answer is not None,
        "best_of_grid": chosen.cell.name,
        "answer": answer.name,
        "same": answer.name == chosen.cell.name,
        "right": within(report, chosen, met=best_of(tried, request.limits) is not None),
        "grid": [{"cell": each.cell.name, "seconds": round(each.row.seconds, 2), **_figures(each)} for each in tried],
        "stopped": {row.name: row.reason for row in report.rows if row.row is None},
    }


def within(report: SearchReport, chosen: Tried, *, met: bool) -> bool:
    """Whether the answer is the grid's, or one whose loss lies in the interval of the loss of the grid's."""
    answer = report.answer or report.nearest_row
    if answer is None or answer.row is None or (report.answer is not None) != met:
        return False
    if answer.name == chosen.cell.name:
        return True
    mine, theirs = answer.row.figures, chosen.row.figures
    if mine is None or theirs is None or mine.loss is None or theirs.loss is None:
        return False
    return mine.loss.value <= theirs.loss.high


def _figures(tried: Tried) -> dict[str, Any]:
    figures = tried.row.figures
    if figures is None:
        return {"reason": tried.row.reason}
    loss = None if figures.loss is None else asdict(figures.loss)
    if loss is not None:
        loss["source"] = Path(loss["source"]).name
    verdicts = {gate.name: gate.verdict.value for gate in tried.row.gates}
    return {"loss": loss, "latency_ms": figures.latency_ms, "size_ratio": figures.size_ratio, "gates": verdicts}


if __name__ == "__main__":
    main()
