"""What a file is judged on: labelled images, a set that was saved, or images made from the float network."""

from __future__ import annotations

from dataclasses import dataclass

from calib.samplers import RealSet
from calib.synthetic_set import SyntheticSet
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs.image_source import ImageSource
from gdfq_export.recipe import DEFAULT_RECIPE, load_recipe
from gdfq_export.runtimes.base import Images
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.progress import Progress
from gdfq_export.support.proportion import Proportion
from gdfq_export.tasks.classification.accuracy import Accuracy, LabelledImages

__all__ = ["Judges", "images_to_judge", "warnings_of_chance"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judges:
    """The images that a file is judged on: labelled ones, or a saved set; without either they are made."""

    labelled: RealSet | None = None
    saved: SyntheticSet | None = None


def images_to_judge(
    model: FloatModel, judges: Judges, seed: int, progress: Progress
) -> tuple[LabelledImages | None, Images, str, tuple[str, ...]]:
    """Labelled images where there are any, the images to compare on, what they are, and warnings."""
    if judges.labelled is not None:
        real = judges.labelled
        labelled = LabelledImages(images=real.images.numpy(), labels=real.labels.numpy(), source=real.origin)
        return labelled, labelled.images, real.origin, ()
    used = load_recipe(DEFAULT_RECIPE).for_input(model.input_spec.shape)
    source = ImageSource(model, used, judges.saved, seed=seed, device="cpu", progress=progress)
    count = used.verify.agreement_images if judges.saved is None else len(judges.saved.images)
    fresh = source.draw_fresh(count, "make images")
    return None, fresh.images.numpy(), fresh.source if judges.saved is not None else fresh.name, fresh.warnings


def warnings_of_chance(accuracy: Accuracy | NotMeasured, model: FloatModel) -> tuple[str, ...]:
    """A float network that guesses was not given what it was trained on."""
    if isinstance(accuracy, NotMeasured):
        return ()
    top1: Proportion = accuracy.top1.float_network
    if top1.high >= 2 / model.num_classes or top1.images < 20:
        return ()
    return (
        f"the float network itself is right on {100 * top1.value:.1f} % of {accuracy.source}, which is "
        "chance; check --scale, --mean, --std and the order of the labels",
    )
