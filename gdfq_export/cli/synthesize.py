"""gdfq-export synthesize: the images alone, for this or any other quantizer."""

from __future__ import annotations

from pathlib import Path

import click

from gdfq_export.cli.options import model_argument, preprocessing_options, run_options

__all__ = ["synthesize"]


@click.command()
@model_argument
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The .npz file to write.")
@click.option("--images", type=click.IntRange(min=1), help="How many.  [default: data.images of the recipe]")
@preprocessing_options
@run_options
def synthesize(
    model: str | None,
    out: Path,
    images: int | None,
    scale: float | None,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    input_shape: tuple[int, int, int] | None,
    recipe: str | None,
    seed: int,
    threads: int | None,
    device: str,
) -> None:
    """Make calibration images for MODEL from nothing but MODEL.

    The file holds images (float32, preprocessed), labels and the network's logits. gdfq-export quantize --calibration
    reads it, and calib.SyntheticSet.load gives ONNX Runtime's quantize_static its calibration_data_reader.
    """
    from gdfq_export.cli.outputs import require_outputs, sidecar_of
    from gdfq_export.recipe import DEFAULT_RECIPE, load_recipe

    require_outputs((out,), (model, sidecar_of(model), recipe))
    chosen = load_recipe(recipe or DEFAULT_RECIPE)

    from gdfq_export import pipeline
    from gdfq_export.cli.compute import use_compute
    from gdfq_export.cli.display import progress_display
    from gdfq_export.cli.warned import print_warnings
    from gdfq_export.sources import load_model

    place = use_compute(device, threads)
    network = load_model(model, scale=scale, mean=mean, std=std, input_shape=input_shape)
    print_warnings(network.warnings)
    count = images or chosen.for_input(network.input_spec.shape).data.images
    made = pipeline.synthesize(network, chosen, count=count, seed=seed, device=place, progress=progress_display())
    made.save(out)
    click.echo(f"wrote {out}: {len(made.labels):,} images")
