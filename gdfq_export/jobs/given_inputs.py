"""Recipes, images and bundles as a user names them, read into what a job takes."""

from __future__ import annotations

from pathlib import Path

import torch

from calib.samplers import RealSet
from calib.synthetic_set import SyntheticSet
from gdfq_export.artifacts.manifest import MANIFEST, Bundle, open_bundle
from gdfq_export.errors import InputError
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.recipe import Recipe, load_recipe
from gdfq_export.synthesis.registry import METHODS
from gdfq_export.targets import find_target
from gdfq_export.tasks.labelled_images import LabelledImages


def recipe_of(recipe: Recipe | str | Path, target: str | None) -> Recipe:
    """The recipe by name or file, for `target` where that is given.

    Raises:
        InputError: there is no such recipe or target, or a key of the recipe is wrong.
    """
    chosen = recipe if isinstance(recipe, Recipe) else load_recipe(str(recipe))
    return chosen if target is None else chosen.model_copy(update={"target": find_target(target).name})


GivenImages = LabelledImages | RealSet | str | Path
"""Real images as a user gives them, read or not."""


def labelled_of(data: GivenImages, network: FloatModel) -> LabelledImages:
    """Real images with what the network's task scores them against, in the network's input range.

    Raises:
        DataError: the file or folder is missing or does not hold what is needed.
    """
    if isinstance(data, LabelledImages):
        return data
    if isinstance(data, RealSet):
        labels = None if network.num_classes is None else data.labels.numpy()
        return LabelledImages(images=data.images.numpy(), truth=labels, source=data.origin)
    return network.task.read_data(Path(data), network.input_spec)


def real_of(data: GivenImages, network: FloatModel) -> RealSet:
    """Real images to tune on; their labels are 0 where the network has no classes."""
    if isinstance(data, RealSet):
        return data
    given = labelled_of(data, network)
    images = torch.from_numpy(given.images)
    has_labels = network.num_classes is not None
    labels = torch.from_numpy(given.truth) if has_labels else torch.zeros(len(images), dtype=torch.int64)
    return RealSet(images=images, labels=labels, origin=given.source)


def calibration_of(
    given: SyntheticSet | RealSet | str | Path | None, recipe: Recipe, network: FloatModel
) -> SyntheticSet | RealSet | None:
    """Real images where the recipe works with real ones, else a synthesized set."""
    if not isinstance(given, str | Path):
        return given
    if METHODS[recipe.data.method].make is None:
        return real_of(given, network)
    return SyntheticSet.load(Path(given))


def bundle_of(file: Path, public_key: Path | None = None) -> Bundle | None:
    """The bundle whose folder or manifest is given; None for any other file.

    Raises:
        InputError: the bundle was changed; with a public key, it is not signed, or by another key, or is no bundle.
        BackendUnavailable: a key was given, and model-signing is not installed.
    """
    if file.name == MANIFEST or file.is_dir():
        return open_bundle(file, public_key=public_key)
    if public_key is not None:
        raise InputError(f"{file} is no bundle, and only bundles are signed; give its {MANIFEST}, or no public key")
    return None
