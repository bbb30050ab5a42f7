"""gdfq-export synthesize: the images alone, for this or any other quantizer, and a picture of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gdfq_export.cli.options.bits import recipe_option
from gdfq_export.cli.options.checkpoint import checkpoint_options, checkpoint_settings
from gdfq_export.cli.options.shared import (
    COUNT,
    OUTPUT,
    compute_options,
    log_level_option,
    model_argument,
    preprocessing_options,
)
from gdfq_export.cli.output.echo import echo
from gdfq_export.cli.processes import joined


@click.command()
@model_argument
@click.option("--out", type=OUTPUT, required=True, help="The .npz file to write.")
@click.option("--images", type=COUNT, help="How many.  [default: data.images of the recipe]")
@click.option("--picture", type=OUTPUT, help="The PNG that shows the set.  [default: --out, ending in .png]")
@click.option("--no-picture", is_flag=True, help="Do not draw a picture.")
@preprocessing_options
@recipe_option
@compute_options
@checkpoint_options
@log_level_option
def synthesize(
    model: str | None,
    out: Path,
    images: int | None,
    picture: Path | None,
    no_picture: bool,
    preprocessing: dict[str, Any],
    recipe: str | None,
    compute: dict[str, Any],
    kept: dict[str, Any],
) -> None:
    """Synthesize calibration images for MODEL from the network alone.

    The file holds images (float32, preprocessed), labels and the network's logits. gdfq-export quantize --calibration
    reads it, and calib.SyntheticSet.load gives ONNX Runtime's quantize_static its calibration_data_reader.
    A picture beside it shows samples, and how far they are from what the network was trained on.
    """
    if picture is not None and no_picture:
        raise click.UsageError("--picture and --no-picture contradict each other; give one of them")
    from gdfq_export.cli.options.outputs import require_outputs, sidecar_of
    from gdfq_export.recipe import DEFAULT_RECIPE, load_recipe

    picture = None if no_picture else picture or out.with_suffix(".png")
    outputs = (out,) if picture is None else (out, picture)
    require_outputs(outputs, (model, sidecar_of(model), recipe))
    chosen = load_recipe(recipe or DEFAULT_RECIPE)

    import gdfq_export as gq
    from calib.set_statistics import ClassBalance, SetStatistics
    from gdfq_export.cli.output.progress_display import progress_display
    from gdfq_export.cli.output.report_tables import print_headline
    from gdfq_export.support.files import write_files
    from gdfq_export.support.text import counted
    from gdfq_export.views.dataset_preview.headline import headline_rows
    from gdfq_export.views.dataset_preview.picture import draw_set_picture

    processes = joined()
    run = gq.RunContext(**compute, **checkpoint_settings(kept, out), progress=progress_display(), processes=processes)
    network = processes.after_first(lambda: gq.load(model, **preprocessing))
    echo(network.task_notice, err=True)
    made = gq.synthesize(network, chosen, count=images, run=run)
    statistics = SetStatistics.from_json(made.provenance["statistics"])
    written: dict[Path, bytes | str] = {out: made.to_bytes()}
    if picture is not None:
        written[picture] = draw_set_picture(made, statistics, network.input_spec, network.name)
    write_files(written)
    run.discard_checkpoint()
    print_headline(headline_rows(statistics, ClassBalance.count(made.labels, made.logits)))
    echo(f"wrote {' and '.join(map(str, outputs))}: {counted(len(made.labels), 'image')}")
