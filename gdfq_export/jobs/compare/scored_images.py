"""The images that all cells of a comparison are scored on: labelled ones, or fresh ones made from the network.

Without labels the float network's answers stand in for them, and only the agreement with them means anything. The
images are then drawn from a generator of another seed than that of the cells, so that no cell was tuned on them; they
are still of the kind that our recipes tune on.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.errors import DataError
from calib.input_spec import InputSpec
from calib.synthetic_set import SyntheticSet
from gdfq_export import __version__
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs.compare.cells import ImagesFacts, Labels
from gdfq_export.jobs.run_context import RunContext
from gdfq_export.jobs.synthesize import continued_synthesis
from gdfq_export.recipe import DEFAULT_RECIPE, load_recipe, recipe_sha256
from gdfq_export.tasks.labelled_images import LabelledImages


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredImages:
    """Images with their labels, and what they are."""

    images: LabelledImages
    facts: ImagesFacts

    @property
    def labelled(self) -> bool:
        """Whether the labels were given, so that Top-1 means something."""
        return self.facts.labels == "given"


def scored_images(
    model: FloatModel, labelled: LabelledImages | None, folder: Path, count: int | None, run: RunContext
) -> ScoredImages:
    """The labelled images, or `count` synthesized ones, saved in `folder`."""
    if labelled is not None:
        return given_images(labelled)
    return made_images(model, folder / "images.npz", run, count=count)


def given_images(labelled: LabelledImages) -> ScoredImages:
    """Labelled images that a user gives."""
    return ScoredImages(images=labelled, facts=images_facts(labelled))


def made_images(model: FloatModel, path: Path, run: RunContext, *, count: int | None) -> ScoredImages:
    """Fresh images made from the network, saved at `path`, and read from there if an earlier run left the same.

    Args:
        model: the float network, whose answers are the labels.
        path: the .npz of the set.
        run: of the comparison; the images have the next seed.
        count: how many; None makes as many as the default recipe calibrates on.
    """
    recipe = load_recipe(DEFAULT_RECIPE)
    count = count or recipe.for_input(model.input_spec.extent).images_drawn
    checkpoint = None if run.checkpoint is None else run.checkpoint / "images"
    own = replace(run, seed=(run.seed + 1) % 2**32, checkpoint=checkpoint)
    asked = {
        "tool": f"gdfq-export {__version__}",
        "source_sha256": model.sha256,
        "recipe_sha256": recipe_sha256(recipe),
        "seed": own.seed,
        "preprocessing": preprocessing_of(model.input_spec),
    }
    made = _saved(path, asked, count)
    if made is None:
        made = continued_synthesis(model, recipe, own, count=count)
        made.provenance.update(asked)
        made.save(path)
        own.discard_checkpoint()
    images = LabelledImages(
        images=made.images,
        truth=made.logits.argmax(axis=1) if model.num_classes is not None else None,
        source=f"fresh images made from the network ({made.provenance['method']}, seed {own.seed})",
    )
    return ScoredImages(images=images, facts=images_facts(images, labels="float network's answers"))


def preprocessing_of(spec: InputSpec) -> str:
    """Shape and preprocessing in one line."""
    if spec.by_name:
        return "; ".join(f"{name}: {preprocessing_of(each)}" for name, each in spec.by_name.items())
    return ", ".join(f"{name} {value}" for name, value in asdict(spec).items())


def images_facts(images: LabelledImages, labels: Labels = "given") -> ImagesFacts:
    """Name, number and hash of a set."""
    digest = hashlib.sha256()
    for array in (images.images, images.truth):
        if isinstance(array, np.ndarray):
            digest.update(str(array.shape).encode())
            digest.update(np.ascontiguousarray(array).data)
    return ImagesFacts(source=images.source, images=len(images), sha256=digest.hexdigest(), labels=labels)


def shared_images(first: NDArray[np.float32], second: NDArray[np.float32]) -> int:
    """How many images of the second set are in the first as well, to the byte."""
    known = {_digest(image) for image in first}
    return sum(_digest(image) in known for image in second)


def _digest(image: NDArray[np.float32]) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(image).data).digest()


def _saved(path: Path, asked: dict[str, object], count: int) -> SyntheticSet | None:
    """The set at `path` if it is the one that would be made."""
    if not path.exists():
        return None
    try:
        saved = SyntheticSet.load(path)
    except DataError:
        return None
    same = all(saved.provenance.get(key) == value for key, value in asked.items())
    return saved if same and len(saved.images) == count else None
