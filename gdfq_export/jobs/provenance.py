"""What a run writes into its file's metadata: who made it, of what, with which recipe."""

from __future__ import annotations

from gdfq_export import __version__
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs.image_source import ImageSource
from gdfq_export.metrics.preprocessing import preprocessing_text
from gdfq_export.recipe import Recipe, recipe_sha256


def file_metadata(model: FloatModel, recipe: Recipe, source: ImageSource) -> dict[str, str]:
    """Facts by their keys (`own_metadata.py` reads them back); of `recipe` its name, its target and its hash."""
    return {
        "version": __version__,
        "target": recipe.target,
        "recipe": recipe.name,
        "recipe_sha256": recipe_sha256(recipe),
        "seed": str(source.seed),
        "source_sha256": model.sha256,
        "calibration_source": source.name,
        "preprocessing": preprocessing_text(model.input_spec),
    }
