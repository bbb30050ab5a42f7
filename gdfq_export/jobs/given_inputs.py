"""Recipes, images and bundles as a user names them, read into what a job takes."""

from __future__ import annotations

from pathlib import Path

from calib.samplers import RealSet
from calib.synthetic_set import SyntheticSet
from gdfq_export.artifacts.manifest import MANIFEST, Bundle, open_bundle
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.recipe import Recipe, load_recipe
from gdfq_export.synthesis.registry import METHODS
from gdfq_export.targets import find_target


def recipe_of(recipe: Recipe | str | Path, target: str | None) -> Recipe:
    """The recipe by name or file, for `target` where that is given.

    Raises:
        InputError: there is no such recipe or target, or a key of the recipe is wrong.
    """
    chosen = recipe if isinstance(recipe, Recipe) else load_recipe(str(recipe))
    return chosen if target is None else chosen.model_copy(update={"target": find_target(target).name})


def labelled_of(data: RealSet | str | Path | None, network: FloatModel) -> RealSet | None:
    """Labelled images of an `.npz` or a folder, in the network's input range.

    Raises:
        DataError: the file or folder is missing or does not hold what is needed.
    """
    if data is None or isinstance(data, RealSet):
        return data
    return RealSet.load(Path(data), network.input_spec, network.num_classes)


def calibration_of(
    given: SyntheticSet | RealSet | str | Path | None, recipe: Recipe, network: FloatModel
) -> SyntheticSet | RealSet | None:
    """Real images where the recipe works with real ones, else a synthesized set."""
    if not isinstance(given, str | Path):
        return given
    if METHODS[recipe.data.method].make is None:
        return labelled_of(given, network)
    return SyntheticSet.load(Path(given))


def bundle_of(file: Path) -> Bundle | None:
    """The bundle whose folder or manifest is given; None for any other file."""
    is_bundle = file.name == MANIFEST or file.is_dir()
    return open_bundle(file) if is_bundle else None
