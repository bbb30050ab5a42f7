"""How 10,000 jobs spread over 10 to 1,000 workers: a simulation from times that were measured.

    python -m bench.fleet_scaling [--jobs 10000] [--networks 40]
    python -m bench.fleet_scaling --page     # the table of docs/fleet-scaling.md from the results that are there

Measured here: Dask's overhead for a task that does nothing, imports, loading, writing. The seconds of jobs are those of
`bench/accuracy.py` (13 networks, 4 to 8 bits). Assumed, and written into the results: what a machine's scheduler
takes to give a worker, how many jobs are slow and how often a worker is lost. Writes bench/results/fleet_scaling.json
and docs/fleet-scaling.png.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from bench.fleet_costs import Measured, draw_jobs, measure, measured_cells
from bench.fleet_simulation import Costs, Outcome, SimulatedJob, simulate
from bench.results_file import FOLDER, replace_table, write_results

WORKERS = (10, 20, 50, 100, 200, 500, 1000)
DOCS = Path(__file__).parent.parent / "docs"
START, END = "<!-- fleet scaling -->\n", "<!-- end of fleet scaling -->\n"
SHORT_SECONDS = 2.0  # of a job in the workload that shows the scheduler's limit

ASSUMED = {
    "start": 30.0,  # seconds until SLURM or Kubernetes has given a worker
    "straggling": 0.02,  # jobs on a machine that is slow for a while
    "slowdown": 3.0,
    "between_losses": 12 * 3600.0,  # seconds; spot machines
    "writers": 64,
    "remote_write": 0.3,  # seconds to write a job's files into an object store
}


@click.command()
@click.option("--jobs", default=10_000, show_default=True)
@click.option("--networks", default=40, show_default=True)
@click.option("--page", is_flag=True, help="Write table and chart again from the results that are there.")
def main(jobs: int, networks: int, page: bool) -> None:
    """Measure, simulate, and write table, chart and JSON."""
    if not page:
        cells, measured = measured_cells(), measure()
        body = scale(measured, cells, jobs=jobs, networks=networks)
        click.echo(f"wrote {write_results('fleet_scaling', body)}")
    body = json.loads((FOLDER / "fleet_scaling.json").read_text(encoding="utf-8"))
    click.echo(table(body["measured_jobs"]))
    click.echo(f"jobs of {SHORT_SECONDS:g} s:\n{table(body['short_jobs'])}")
    draw(body, DOCS / "fleet-scaling.png")
    replace_table(DOCS / "fleet-scaling.md", "\n" + table(body["measured_jobs"]) + "\n", start=START, end=END)


def costs_of(measured: Measured) -> Costs:
    """Measured and assumed costs together."""
    return Costs(
        start=ASSUMED["start"],
        imports=measured.imports,
        load=measured.load,
        schedule=measured.task,
        write=max(measured.write, ASSUMED["remote_write"]),
        writers=int(ASSUMED["writers"]),
        straggling=ASSUMED["straggling"],
        slowdown=ASSUMED["slowdown"],
        between_losses=ASSUMED["between_losses"],
    )


def scale(measured: Measured, cells: dict[str, list[float]], *, jobs: int, networks: int) -> dict[str, Any]:
    """The results of both workloads."""
    drawn, costs = draw_jobs(cells, jobs=jobs, networks=networks), costs_of(measured)
    short = [replace(job, seconds=SHORT_SECONDS) for job in drawn]
    every = [seconds for times in cells.values() for seconds in times]
    return {
        "measured": asdict(measured),
        "assumed": ASSUMED,
        "cells": {"count": len(every), "networks": len(cells), "least": min(every), "most": max(every)},
        "jobs": jobs,
        "networks": networks,
        "measured_jobs": _rows(drawn, costs),
        "short_jobs": _rows(short, costs),
    }


def _rows(jobs: Sequence[SimulatedJob], costs: Costs) -> list[dict[str, Any]]:
    return [row(simulate(jobs, workers, costs)) for workers in WORKERS]


def row(outcome: Outcome) -> dict[str, Any]:
    """One number of workers as JSON data."""
    return {
        **asdict(outcome),
        "speedup": outcome.work / outcome.makespan,
        "efficiency": outcome.efficiency,
        "overheads": outcome.overheads,
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """A Markdown table."""
    lines = [
        "| workers | hours | times one worker | efficiency | lost most to | second | scheduler busy |",
        "| ---: | ---: | ---: | ---: | --- | --- | ---: |",
    ]
    for each in rows:
        first, second = list(each["overheads"].items())[:2]
        lines.append(
            f"| {each['workers']:,} | {each['makespan'] / 3600:.2f} | {each['speedup']:.0f} "
            f"| {100 * each['efficiency']:.0f} % | {_part(*first)} | {_part(*second)} "
            f"| {100 * each['scheduler_busy']:.1f} % |"
        )
    return "\n".join(lines) + "\n"


def _part(name: str, share: float) -> str:
    return f"{name}, {100 * share:.1f} %"


def draw(body: dict[str, Any], path: Path) -> None:
    """Speed by workers, and where the workers' time goes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    speed, shares = figure.subplots(1, 2)
    titles = {"measured_jobs": "jobs as measured", "short_jobs": f"jobs of {SHORT_SECONDS:g} s"}
    speed.plot(WORKERS, WORKERS, color="#999999", linewidth=0.8, label="ideal")
    for (key, title), colour in zip(titles.items(), ("#0072B2", "#E69F00"), strict=True):
        rows = body[key]
        speed.plot(
            [each["workers"] for each in rows], [each["speedup"] for each in rows], "o-", color=colour, label=title
        )
    speed.set_xscale("log")
    speed.set_yscale("log")
    speed.set_xlabel("workers")
    speed.set_ylabel("times one worker")
    speed.legend(frameon=False)
    bottom = [0.0] * len(WORKERS)
    rows = body["measured_jobs"]
    colours = ("#0072B2", "#E69F00", "#56B4E9", "#CC79A7", "#009E73", "#999999", "#D55E00")
    names = ["work", *sorted(rows[-1]["overheads"], key=lambda name: -rows[-1]["overheads"][name])]
    for name, colour in zip(names, colours, strict=True):
        heights = [100 * (each["efficiency"] if name == "work" else each["overheads"][name]) for each in rows]
        shares.bar(range(len(rows)), heights, bottom=bottom, color=colour, label=name)
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    shares.set_xticks(range(len(rows)), [f"{each['workers']:,}" for each in rows])
    shares.set_xlabel("workers, jobs as measured")
    shares.set_ylabel("% of the workers' time")
    shares.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5), reverse=True)
    for axes in (speed, shares):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
