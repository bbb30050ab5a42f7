"""The images a file is evaluated on: real ones, a saved set, or images synthesized from the float network."""

from __future__ import annotations

from dataclasses import dataclass

from calib.synthetic_set import SyntheticSet
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs.image_source import ImageSource
from gdfq_export.jobs.run_context import RunContext
from gdfq_export.jobs.verify.measure import EvaluationImages
from gdfq_export.recipe import DEFAULT_RECIPE, load_recipe
from gdfq_export.tasks.labelled_images import LabelledImages


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationData:
    """What the user gave: real images, or a saved set; without either, images are synthesized."""

    labelled: LabelledImages | None = None
    saved: SyntheticSet | None = None


def evaluation_images(
    model: FloatModel, data: EvaluationData, run: RunContext
) -> tuple[EvaluationImages, tuple[str, ...]]:
    """The images to compare outputs on, and what the user should know of them."""
    labelled = data.labelled
    if labelled is not None:
        return EvaluationImages(images=labelled.images, source=labelled.source, labelled=labelled), ()
    used = load_recipe(DEFAULT_RECIPE).for_input(model.input_spec.extent)
    source = ImageSource(model, used, data.saved, seed=run.seed, device="cpu", progress=run.progress)
    count = used.verify.agreement_images if data.saved is None else len(data.saved.images)
    fresh = source.draw_fresh(count, "make images")
    name = fresh.source if data.saved is not None else fresh.name
    return EvaluationImages(images=fresh.images.numpy(), source=name), fresh.warnings
