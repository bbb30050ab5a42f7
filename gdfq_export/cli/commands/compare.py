"""gdfq-export compare: one network by several methods at several bit widths, scored on the same images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gdfq_export.cli.options.bits import kept_options
from gdfq_export.cli.options.checkpoint import checkpoint_options, checkpoint_settings
from gdfq_export.cli.options.cluster import cluster_options, require_one
from gdfq_export.cli.options.shared import (
    COUNT,
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
from gdfq_export.targets import TARGETS, find_target

ALL_METHODS = "noise,dfq,zeroq,gdfq,ours,real"
USUAL_BITS = "w8a8,w4a8,w4a4"


@click.command()
@model_argument
@click.option(
    "--out",
    type=OUTPUT,
    required=True,
    help="Folder for comparison.json, .md and .png, and for the networks.",
)
@click.option(
    "--data",
    type=IMAGES,
    help="Real images to score with: an .npz (images, labels) or a folder with labels.csv; other tasks' labels are in "
    "docs/tasks.md.  [default: agreement with float on images made from the network]",
)
@click.option(
    "--calibration",
    type=IMAGES,
    help="Real images for the method real, in the forms of --data; other images than those.",
)
@click.option("--methods", type=NAMES, default=ALL_METHODS, help="Methods, comma-separated.")
@click.option(
    "--bits",
    type=NAMES,
    default=USUAL_BITS,
    help="Bit widths, comma-separated: w8a8, w6a6, w5a5, w4a8, w4a4 and w3a3 (first and last layer, input and "
    "residual edges at 8 bits), w4a8-mixed (8 bits for the most sensitive layers), w6a6-first-last and w4a4-first-last "
    "(those two layers like all others), w4a4-everywhere.",
)
@click.option(
    "--budget",
    type=DURATION,
    default="5m",
    help="Time for each cell, up to the written file: ours and real use all of it, the published steps of ZeroQ and "
    "GDFQ are cut to it, noise and DFQ ignore it.",
)
@click.option(
    "--target", metavar="NAME", help=f"Runtime the files are for: {', '.join(TARGETS)}.  [default: the recipes']"
)
@click.option("--images", type=COUNT, help="Without --data: how many images are made to compare on.")
@cluster_options("this process alone")
@kept_options
@preprocessing_options
@compute_options
@checkpoint_options
@log_level_option
def compare(
    model: str | None,
    out: Path,
    data: Path | None,
    calibration: Path | None,
    methods: tuple[str, ...],
    bits: tuple[str, ...],
    budget: float,
    target: str | None,
    images: int | None,
    cluster: dict[str, Any],
    keep_float: tuple[str, ...],
    keep_int16: tuple[str, ...],
    preprocessing: dict[str, Any],
    compute: dict[str, Any],
    kept: dict[str, Any],
) -> None:
    """Quantize MODEL by several methods at several bit widths, and compare the results.

    Without MODEL it is the embedded demo, scored on handwritten digits that it has never seen. Cells that --out
    already holds are not run again: an interrupted comparison continues, and one can be extended.
    """
    here = require_one(cluster, usual=1)
    if data is not None and images is not None:
        raise click.UsageError("--data and --images contradict each other; give one of them")
    from gdfq_export.cli.options.outputs import require_outputs, sidecar_of
    from gdfq_export.jobs.compare.methods import require_known

    require_known(methods, bits)
    if target is not None:
        find_target(target)

    import gdfq_export as gq
    from gdfq_export.cli.output.comparison_table import ComparisonPrinter
    from gdfq_export.cli.output.progress_display import print_warnings, progress_display
    from gdfq_export.errors import InputError
    from gdfq_export.jobs.compare.figure_text import float_text, scored_text
    from gdfq_export.jobs.compare.files import CHART, FILES, JSON, PAGE, file_name, make_folder

    files = make_folder(out / FILES)
    outputs = [out / name for name in (JSON, PAGE, CHART)]
    outputs += [files / file_name(width, method) for width in bits for method in methods]
    outputs += [out / "images.npz"] if data is None else []
    require_outputs(outputs, (model, sidecar_of(model), data, calibration))
    progress = progress_display()
    network = gq.load(model, **preprocessing)
    echo(network.task_notice, err=True)
    result = gq.compare(
        network,
        out,
        methods=methods,
        bits=bits,
        data=gq.demo_data() if model is None and images is None and data is None else data,
        calibration=calibration,
        options=gq.CompareOptions(
            target=target,
            images=images,
            keep_float=keep_float,
            keep_int16=keep_int16,
            progress=progress_display,
            listener=ComparisonPrinter(),
            cluster=gq.Cluster(**{**cluster, "workers": here}),
            source=gq.NetworkSource.of(model, **preprocessing),
        ),
        run=gq.RunContext(
            **compute, **checkpoint_settings(kept, out / "run"), budget_seconds=budget, progress=progress
        ),
    )
    print_warnings(warning for warning in result.warnings if warning not in progress.warned)
    echo("; ".join(filter(None, (scored_text(result), float_text(result)))))
    echo(f"wrote {outputs[0]}, {PAGE}, {CHART} and {FILES}/")
    if all(cell.measured is None for cell in result.cells):
        raise InputError(f"no cell could be run; the first: {result.cells[0].reason}")
