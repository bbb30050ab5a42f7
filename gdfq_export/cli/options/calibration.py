"""What --calibration gives, by what the recipe works with."""

from __future__ import annotations

from pathlib import Path

from calib.samplers import RealSet
from calib.synthetic_set import SyntheticSet
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.recipe import Recipe

__all__ = ["load_calibration"]


def load_calibration(path: Path | None, recipe: Recipe, network: FloatModel) -> SyntheticSet | RealSet | None:
    """Read real images for data.method real, a synthesized set for every other method; None where nothing is given.

    Raises:
        DataError: the file or folder is missing or does not hold what is needed.
    """
    if path is None:
        return None
    if recipe.data.method == "real":
        return RealSet.load(path, network.input_spec, network.num_classes)
    return SyntheticSet.load(path)
