"""Images for a network, made from the network alone."""

from __future__ import annotations

from torch import Tensor

from calib.set_statistics import measure_set
from calib.synthetic_set import SyntheticSet
from gdfq_export import __version__
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs.image_source import ImageSource
from gdfq_export.jobs.quantizing.shared_work import require_first
from gdfq_export.jobs.resume.continued import continued
from gdfq_export.jobs.resume.identity import run_identity
from gdfq_export.jobs.run_context import RunContext
from gdfq_export.recipe import Recipe, recipe_sha256


def synthesize(model: FloatModel, recipe: Recipe, run: RunContext, *, count: int | None = None) -> SyntheticSet:
    """Synthesize `count` images; None makes as many as a run with the recipe needs.

    Returns:
        The images `[N, C, H, W]` with the float network's outputs, and figures of the set in its provenance.
    """
    used = recipe.for_input(model.input_spec.extent)
    source = ImageSource(model, used, None, seed=run.seed, device=run.device, progress=run.progress)
    made = source.draw(count or used.images_drawn + used.verify.agreement_images, "make images")
    require_first(run.processes)
    return as_synthetic_set(model, recipe, made.images, made.labels, method=source.name, run=run)


def continued_synthesis(
    model: FloatModel, recipe: Recipe, run: RunContext, *, count: int | None = None
) -> SyntheticSet:
    """`synthesize` that goes on where an interrupted run stopped, from `run.checkpoint`.

    Raises:
        CheckpointError: the checkpoint is of another run, in use, damaged, or cannot be written.
    """
    identity = run_identity("synthesize", model, recipe=recipe, run=run, images=count)
    with continued(run, identity) as run:
        return synthesize(model, recipe, run, count=count)


def as_synthetic_set(
    model: FloatModel, recipe: Recipe, images: Tensor, labels: Tensor, *, method: str, run: RunContext
) -> SyntheticSet:
    """Images `[N, C, ...]` and labels `[N]` with the float network's class scores, if any, and the set's figures."""
    teacher, classes = model.teacher.to(run.device), model.num_classes is not None
    statistics, logits = measure_set(teacher, images, labels, model.input_spec, run.device, classes=classes)
    return SyntheticSet(
        images=images.numpy(),
        labels=labels.numpy(),
        logits=logits.numpy(),
        input_name=model.input_name,
        shapes={name: spec.shape for name, spec in model.input_spec.by_name.items()},
        provenance={
            "tool": f"gdfq-export {__version__}",
            "method": method,
            "source": model.source,
            "source_sha256": model.sha256,
            "recipe": recipe.name,
            "recipe_sha256": recipe_sha256(recipe),
            "seed": run.seed,
            "statistics": statistics.to_json(),
        },
    )
