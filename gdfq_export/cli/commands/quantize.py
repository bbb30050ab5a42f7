"""gdfq-export quantize: float network in, verified low-bit ONNX out."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import click

from gdfq_export.cli.options.gates import gate_limits, gate_options
from gdfq_export.cli.options.shared import DURATION, model_argument, preprocessing_options, run_options
from gdfq_export.targets import TARGETS, find_target

__all__ = ["quantize"]

AUTO = "auto"


@click.command()
@model_argument
@click.option("--onnx-out", type=click.Path(path_type=Path), help="The ONNX file to write.")
@click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    help="Folder for everything a pipeline keeps: the file, the float network, the images, the report, hashes; for "
    "TensorRT an engine as well.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Labelled images to score with, never to tune with: an .npz (images, labels) or a folder with labels.csv.",
)
@click.option(
    "--calibration",
    type=click.Path(path_type=Path),
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
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Images that are run at once where time is taken.",
)
@click.option("--report", type=click.Path(path_type=Path), help="[default: report.json beside --onnx-out]")
@click.option("--html", type=click.Path(path_type=Path), help="The report as a page, one file.")
@gate_options
@click.option(
    "--budget",
    type=DURATION,
    help="Time to spend, as 90s, 10m or 1h, or fast (2m), balanced (10m), best (1h): images and steps follow from what "
    "this machine manages.  [default: the recipe's own numbers]",
)
@click.option("--dry-run", is_flag=True, help="Print which tensors would be quantized and how; write nothing.")
@preprocessing_options
@run_options
def quantize(
    model: str | None,
    onnx_out: Path | None,
    bundle: Path | None,
    data: Path | None,
    calibration: Path | None,
    target: str | None,
    batch: int,
    report: Path | None,
    html: Path | None,
    budget: float | None,
    dry_run: bool,
    scale: float | None,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    input_shape: tuple[int, int, int] | None,
    recipe: str | None,
    seed: int,
    threads: int | None,
    device: str,
    **flags: Any,
) -> None:
    """Quantize MODEL without data and prove the result.

    MODEL is a path (.onnx, .pt2), package.module:callable, or a published network (pytorchcv:NAME, timm:NAME,
    torchvision:NAME). Without it, the embedded demo is quantized and scored on handwritten digits it has never seen.
    """
    from gdfq_export.artifacts.manifest import MANIFEST
    from gdfq_export.cli.options.outputs import require_outputs, sidecar_of
    from gdfq_export.recipe import DEFAULT_RECIPE, load_recipe
    from gdfq_export.support.files import require_replaceable_folder

    if onnx_out is None and bundle is None and not dry_run:
        raise click.UsageError("say where to write: --onnx-out FILE, or --bundle FOLDER, or both")
    if onnx_out is not None:
        report = report or onnx_out.parent / "report.json"
    outputs = [path for path in (onnx_out, report, html) if path is not None]
    require_outputs(outputs, (model, sidecar_of(model), data, calibration, recipe))
    if bundle is not None:
        require_replaceable_folder(bundle, MANIFEST)
    chosen = load_recipe(recipe or DEFAULT_RECIPE)
    if target is not None and target != AUTO:
        chosen = chosen.model_copy(update={"target": find_target(target).name})

    from calib.samplers import RealSet
    from gdfq_export.artifacts.bundle import write_bundle
    from gdfq_export.artifacts.bundled_engine import build_bundled_engine
    from gdfq_export.cli.options.calibration import load_calibration
    from gdfq_export.cli.options.compute import use_compute
    from gdfq_export.cli.output.progress_display import progress_display
    from gdfq_export.cli.output.report_outputs import page_of, require_passed, write_whole
    from gdfq_export.cli.output.report_tables import print_choice, print_plan, print_report
    from gdfq_export.cli.output.warnings import print_warnings
    from gdfq_export.frontend.demo import held_out_set
    from gdfq_export.frontend.sources import load_model
    from gdfq_export.jobs import quantize as pipeline
    from gdfq_export.jobs.choose_target import choose_target
    from gdfq_export.jobs.quantize_auto import quantize_fastest

    place = use_compute(device, threads)
    network = load_model(model, scale=scale, mean=mean, std=std, input_shape=input_shape)
    print_warnings(network.warnings)
    if dry_run and target == AUTO:
        raise click.UsageError("--dry-run writes nothing and times nothing; name the target")
    progress, choice, planned = progress_display(), None, chosen
    run = partial(pipeline.quantize, network, chosen)
    if target == AUTO:
        choice = choose_target(network, chosen, seed=seed, batch=batch, threads=1, progress=progress)
        print_choice(choice)
        run = partial(quantize_fastest, network, chosen, choice)
        planned = chosen.model_copy(update={"target": choice.chosen})
    known = pipeline.forewarnings_of(network, planned)
    print_warnings(known)
    if dry_run:
        print_plan(pipeline.plan_only(network, chosen))
        if (mixed := chosen.bits.mixed) is not None:
            click.echo(f"bits.mixed: when layers have been measured, some of these weights get {mixed.weights} bits")
        return
    labelled = held_out_set() if model is None else None
    if data is not None:
        labelled = RealSet.load(data, network.input_spec, network.num_classes)
    with tempfile.TemporaryDirectory(prefix="gdfq-export-") as scratch:
        file = onnx_out or Path(scratch) / "model.onnx"
        result = run(
            out=file,
            report=report,
            data=labelled,
            calibration=load_calibration(calibration, chosen, network),
            seed=seed,
            device=place,
            progress=progress,
            budget=budget,
            batch=batch,
            gates={**chosen.gates.limits(), **gate_limits(flags)},
            keep_images=bundle is not None or html is not None,
        )
        if result.report.target_choice not in (None, choice):
            print_choice(result.report.target_choice)
        print_warnings(warning for warning in result.report.warnings if warning not in (*network.warnings, *known))
        print_report(result.report)
        if bundle is not None or html is not None:
            page = page_of(result.report, result.images, network)
            if html is not None:
                write_whole(html, page)
            if bundle is not None:
                engine = build_bundled_engine(file, find_target(result.plan.target), batch=batch, progress=progress)
                print_warnings(() if engine is None else engine.warnings)
                write_bundle(bundle, file, network, result.report, result.plan, result.images, page, engine)
    click.echo(f"wrote {' and '.join(str(path) for path in (*outputs, bundle) if path is not None)}")
    require_passed(result.report)
