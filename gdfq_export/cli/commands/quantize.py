"""gdfq-export quantize: float network in, verified low-bit ONNX out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gdfq_export.cli.options.bits import bits_options, kept_options, precision_option, recipe_option
from gdfq_export.cli.options.checkpoint import checkpoint_options, checkpoint_settings
from gdfq_export.cli.options.gates import gate_limits, gate_options
from gdfq_export.cli.options.shared import (
    COUNT,
    DURATION,
    IMAGES,
    OUTPUT,
    InputPath,
    compute_options,
    details_option,
    log_level_option,
    model_argument,
    preprocessing_options,
)
from gdfq_export.cli.output.echo import echo
from gdfq_export.cli.processes import joined
from gdfq_export.targets import TARGETS, find_target

if TYPE_CHECKING:
    from gdfq_export import FloatModel, Recipe, Result, RunContext
    from gdfq_export.artifacts.signature import Signer
    from gdfq_export.cli.options.outputs import QuantizeOutputs

AUTO = "auto"


@click.command()
@model_argument
@click.option(
    "-o",
    "--output",
    "--onnx-out",
    "onnx_out",
    type=OUTPUT,
    help="ONNX file to write.  [default: MODEL.int8.onnx beside MODEL, or int4 for weights of 4 bits]",
)
@click.option(
    "--bundle",
    type=OUTPUT,
    help="Folder for everything a pipeline keeps: the file, the float network, the images, the report, hashes; for "
    "TensorRT an engine as well.",
)
@click.option(
    "--sign",
    type=InputPath("give the PEM file of a private key"),
    metavar="KEY",
    help="Sign the bundle with this private key (PEM, elliptic curve); needs the extra sign.",
)
@click.option(
    "--data",
    type=IMAGES,
    help="Real images to score with, never to tune with: an .npz (images, labels) or a folder with labels.csv; other "
    "tasks' labels are in docs/tasks.md.",
)
@click.option(
    "--calibration",
    type=IMAGES,
    help="Images from gdfq-export synthesize, instead of new ones; for a recipe with data.method real, real images as "
    "--data takes them.",
)
@click.option(
    "--target",
    metavar="NAME",
    help=f"Runtime the file is for: {', '.join(TARGETS)}; auto times drafts in every runtime that is installed and "
    "takes the fastest.  [default: the recipe's]",
)
@click.option(
    "--batch",
    type=COUNT,
    default=1,
    help="Batch size for the latency measurement.",
)
@click.option("--report", type=OUTPUT, help="[default: report.json beside --onnx-out]")
@click.option("--html", type=OUTPUT, help="The report as a page, one file.")
@gate_options
@click.option(
    "--budget",
    type=DURATION,
    help="Time to spend on everything, as 90s, 10m or 1h, or fast (2m), balanced (10m), best (1h): images and steps "
    "follow from what this machine manages, and the best state is kept.  [default: the recipe's own numbers]",
)
@details_option
@click.option("--dry-run", is_flag=True, help="Print which tensors would be quantized and how; write nothing.")
@click.option("--keep-batch", is_flag=True, help="Keep a fixed batch size of MODEL; by default the file takes any.")
@preprocessing_options
@bits_options
@kept_options
@precision_option
@recipe_option
@compute_options
@checkpoint_options
@log_level_option
def quantize(
    model: str | None,
    onnx_out: Path | None,
    bundle: Path | None,
    sign: Path | None,
    data: Path | None,
    calibration: Path | None,
    target: str | None,
    batch: int,
    report: Path | None,
    html: Path | None,
    budget: float | None,
    dry_run: bool,
    details: bool,
    keep_batch: bool,
    preprocessing: dict[str, Any],
    keep_float: tuple[str, ...],
    keep_int16: tuple[str, ...],
    precision: str | None,
    recipe: str | None,
    compute: dict[str, Any],
    kept: dict[str, Any],
    **flags: Any,
) -> None:
    """Quantize MODEL without data and prove the result.

    MODEL is a path (.onnx, .pt2), package.module:callable, or a published network (pytorchcv:NAME, timm:NAME,
    torchvision:NAME). Without it, the embedded demo is quantized and scored on handwritten digits it has never seen.
    """
    begun = time.monotonic()
    from gdfq_export.cli.options.outputs import QuantizeOutputs, require_outputs, require_room, sidecar_of
    from gdfq_export.cli.output.time_estimate import time_estimate
    from gdfq_export.recipe import DEFAULT_RECIPE, load_recipe
    from gdfq_export.support.files import require_replaceable_folder

    if dry_run and target == AUTO:
        raise click.UsageError("--dry-run writes nothing and times nothing; name the target")
    chosen = load_recipe(recipe or DEFAULT_RECIPE)
    if target not in (None, AUTO):
        chosen = chosen.model_copy(update={"target": find_target(target).name})
    chosen = chosen.keeping(keep_float, keep_int16).with_precision(precision)
    outputs = QuantizeOutputs(onnx=onnx_out, report=report, html=html, bundle=bundle)
    outputs = outputs.with_defaults(model, chosen.bits.weights)
    require_outputs([] if dry_run else outputs.files, (model, sidecar_of(model), data, calibration, recipe, sign))
    if bundle is not None:
        require_replaceable_folder(bundle, "manifest.json")
    signer = _signer(sign, bundle)
    if not dry_run:
        require_room(outputs, model, chosen.bits.weights)
        how_long = time_estimate(model, chosen, budget)
        echo(f"Quantizing {model or 'the demo network'} with {chosen.name} into {outputs}; {how_long}", err=True)

    import gdfq_export as gq
    from gdfq_export.cli.output.progress_display import progress_display
    from gdfq_export.jobs.given_inputs import labelled_of

    progress = progress_display()
    compute |= checkpoint_settings(kept, outputs.first)
    processes = joined()
    settings = {**compute, "budget_seconds": budget, "begun": begun, "batch": batch, "progress": progress}
    run = gq.RunContext(**settings, processes=processes).started()
    network = processes.after_first(lambda: gq.load(model, **preprocessing, keep_batch=keep_batch))
    echo(network.task_notice, err=True)
    given = gq.demo_data() if model is None and data is None else data
    labelled = None if given is None else labelled_of(given, network)
    if dry_run:
        _print_plan(network, chosen, run)
        return
    result = gq.quantize(
        network,
        chosen,
        target=AUTO if target == AUTO else None,
        data=labelled,
        calibration=calibration,
        gates=gate_limits(flags),
        run=run,
    )
    _print_and_write(result, outputs, run, details=details, signer=signer)


def _signer(key: Path | None, bundle: Path | None) -> Signer | None:
    """The key to sign the bundle with, read before any work is done."""
    if key is None:
        return None
    if bundle is None:
        raise click.UsageError("--sign signs a bundle; give --bundle FOLDER as well")
    from gdfq_export.artifacts.signature import load_signer

    return load_signer(key)


def _print_plan(network: FloatModel, recipe: Recipe, run: RunContext) -> None:
    import gdfq_export as gq
    from gdfq_export.cli.output.report_tables import print_plan

    run.progress.warn(*network.warnings)
    print_plan(gq.plan(network, recipe, run=run))
    if (mixed := recipe.bits.mixed) is not None:
        raised = f"weights get {mixed.weights} bits"
        if mixed.activations is not None:
            raised += f" and some of these activations {mixed.activations}"
        echo(f"bits.mixed: when layers have been measured, some of these {raised}")
    if recipe.bits.precision == "auto":
        echo("bits.precision: when drafts have been measured, some of these may stay float")


def _print_and_write(
    result: Result, outputs: QuantizeOutputs, run: RunContext, *, details: bool, signer: Signer | None
) -> None:
    from gdfq_export.cli.output.progress_display import print_warnings
    from gdfq_export.cli.output.report_outputs import require_passed
    from gdfq_export.cli.output.report_tables import print_choice, print_report

    if outputs.onnx is not None:
        result = result.named(outputs.onnx.name)
    report = result.report
    paths = {"onnx": outputs.onnx, "report": outputs.report, "html": outputs.html, "bundle": outputs.bundle}
    print_warnings(result.write(**paths, sign=signer))
    run.discard_checkpoint()
    if report.target_choice is not None:
        print_choice(report.target_choice)
    print_warnings(warning for warning in report.warnings if warning not in run.progress.warned)
    print_report(report, details=details)
    echo(f"wrote {outputs}")
    require_passed(report)
