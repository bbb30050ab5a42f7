"""Synthesize images for a network."""

from __future__ import annotations

from pathlib import Path

from calib.synthetic_set import SyntheticSet
from gdfq_export.api.networks import Network, load
from gdfq_export.jobs.given_inputs import recipe_of
from gdfq_export.jobs.resume.threads import threads_for
from gdfq_export.jobs.run_context import RunContext
from gdfq_export.jobs.synthesize import continued_synthesis
from gdfq_export.recipe import DEFAULT_RECIPE, Recipe
from gdfq_export.support.files import require_writable, write_files


def synthesize(
    model: Network = None,
    recipe: Recipe | str | Path = DEFAULT_RECIPE,
    out: str | Path | None = None,
    *,
    count: int | None = None,
    run: RunContext | None = None,
) -> SyntheticSet:
    """Synthesize images for a network, from the network alone.

    Args:
        model: the float network, as `load` takes it.
        recipe: how the images are made.
        out: `.npz` file to write; None keeps them in memory.
        count: number of images; None makes as many as a run of the recipe needs.
        run: seed, device, threads, progress, and where a run is kept that may be interrupted.

    Returns:
        Images `[N, C, H, W]`, preprocessed, with labels and the float network's outputs; ONNX Runtime's
        `quantize_static` takes the set as a calibration data reader.

    Raises:
        InputError: the network or the recipe cannot be used, or training diverged.

    Example:
        >>> import gdfq_export as gq
        >>> gq.synthesize(recipe="paper/noise", count=8).images.shape
        (8, 1, 8, 8)
    """
    run = (run or RunContext()).started()
    if out is not None:
        require_writable(Path(out))
    network = load(model)
    run.progress.warn(*network.warnings)
    with threads_for(run, network):
        made = continued_synthesis(network, recipe_of(recipe, None), run, count=count)
    if out is not None:
        write_files({Path(out): made.to_bytes()})
        run.discard_checkpoint()
    return made
