"""gdfq-export search: which recipe and target meet limits on speed, size and accuracy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gdfq_export.cli.options.gates import gate_limits, gate_options
from gdfq_export.cli.options.shared import (
    DURATION,
    IMAGES,
    NAMES,
    OUTPUT,
    compute_options,
    log_level_option,
    model_argument,
    preprocessing_options,
)
from gdfq_export.cli.output.echo import echo
from gdfq_export.targets import TARGETS


@click.command()
@model_argument
@click.option(
    "--out",
    type=OUTPUT,
    required=True,
    help="Folder for search.json, search.md and the results of every cell; what it holds is not run again.",
)
@click.option(
    "--max-latency-ms",
    type=click.FloatRange(min=0, min_open=True),
    metavar="NUMBER",
    help="Median of latency, ms per batch of one.",
)
@gate_options
@click.option(
    "--recipes",
    type=NAMES,
    help="Names or files, comma-separated.  [default: w8a8, w8a8-finetuned, w6a6, w4a8, mixed and w4a4]",
)
@click.option(
    "--targets",
    type=NAMES,
    help=f"Of {', '.join(TARGETS)}, comma-separated.  [default: those whose runtime works on this machine]",
)
@click.option(
    "--seeds", type=NAMES, default="0", help="Random seeds, comma-separated; later ones are tried only where they can "
    "change the answer.",
)  # fmt: skip
@click.option("--data", type=IMAGES, help="Real images to score with, in the forms of quantize --data.")
@click.option("--calibration", type=IMAGES, help="Images to use instead of new ones, as quantize takes them.")
@click.option("--budget", type=DURATION, help="Time for each cell.  [default: the recipe's own numbers]")
@click.option("--time-budget", type=DURATION, help="Time for the whole search; no cell is begun after it.")
@click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    help="Cells that are run side by side, in processes of this machine; latency is measured best one by one.  "
    "[default: 1, with --scheduler 4]",
)
@click.option("--scheduler", metavar="ADDRESS", help="Dask scheduler whose workers run the cells: tcp://host:8786.")
@click.option("--recipe-out", type=OUTPUT, help="YAML file for the recipe that was found, with the limits as gates.")
@click.option("--onnx-out", type=OUTPUT, help="ONNX file for the network that was found.")
@preprocessing_options
@compute_options
@log_level_option
def search(
    model: str | None,
    out: Path,
    max_latency_ms: float | None,
    recipes: tuple[str, ...] | None,
    targets: tuple[str, ...] | None,
    seeds: tuple[str, ...],
    data: Path | None,
    calibration: Path | None,
    budget: float | None,
    time_budget: float | None,
    workers: int | None,
    scheduler: str | None,
    recipe_out: Path | None,
    onnx_out: Path | None,
    preprocessing: dict[str, Any],
    compute: dict[str, Any],
    **flags: Any,
) -> None:
    """Find the recipe and the target whose file of MODEL meets all limits and loses least.

    Drafts of all files are timed first; then cells are run, the most bits and the least tuning first, and those that
    cannot be the answer any more are left out, with the reason. Without MODEL it is the embedded demo, scored on
    handwritten digits that it has never seen. Exit code 1: no cell meets the limits; the nearest is named.
    """
    from gdfq_export.cli.options.outputs import require_outputs, sidecar_of
    from gdfq_export.jobs.search.answer import JSON, PAGE

    written = [path for path in (out / JSON, out / PAGE, recipe_out, onnx_out) if path is not None]
    numbers = _numbers(seeds)
    out.mkdir(parents=True, exist_ok=True)
    require_outputs(written, (model, sidecar_of(model), data, calibration))

    import gdfq_export as gq
    from gdfq_export.cli.output.progress_display import progress_display
    from gdfq_export.cli.output.search_table import print_measured, print_search
    from gdfq_export.errors import GateFailed, InputError
    from gdfq_export.jobs.batch.network_source import NetworkSource
    from gdfq_export.jobs.search.page import answer_text

    del compute["seed"]
    limits = gate_limits(flags) | ({} if max_latency_ms is None else {"max-latency-ms": max_latency_ms})
    report = gq.search(
        NetworkSource(model=model, **_sendable(preprocessing)),
        out,
        limits=limits,
        options=gq.SearchOptions(
            recipes=recipes or (),
            targets=targets or (),
            seeds=numbers,
            data=data,
            calibration=calibration,
            seconds=time_budget,
            recipe_out=recipe_out,
            onnx_out=onnx_out,
            cluster=gq.Cluster(workers=workers or (4 if scheduler else 1), scheduler=scheduler),
            listener=print_measured,
        ),
        run=gq.RunContext(**compute, budget_seconds=budget, progress=progress_display()),
    )
    print_search(report)
    echo(f"wrote {', '.join(map(str, written if report.answer else written[:2]))}")
    if all(row.outcome == "failed" for row in report.rows):
        raise InputError(f"no cell could be run; the first: {report.rows[0].reason}")
    if report.answer is None:
        raise GateFailed(answer_text(report))


def _numbers(seeds: tuple[str, ...]) -> tuple[int, ...]:
    if not all(seed.isdecimal() and int(seed) < 2**32 for seed in seeds):
        raise click.BadParameter(f"{', '.join(seeds)} are not seeds; give for instance 0,1,2", param_hint="--seeds")
    return tuple(map(int, seeds))


def _sendable(preprocessing: dict[str, Any]) -> dict[str, Any]:
    """Shapes of several inputs as pairs, which do not change."""
    shape = preprocessing["input_shape"]
    return {**preprocessing, "input_shape": tuple(shape.items()) if isinstance(shape, dict) else shape}
