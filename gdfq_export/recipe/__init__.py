"""Recipes: all settings that determine the written file, except the network and the seed.

The pydantic models in this folder are the format of `recipes/*.yaml` and the only place where a default lives. Unknown
keys are rejected.
"""

from __future__ import annotations

from gdfq_export.recipe.bits import Bits, LayerBits, MixedBits
from gdfq_export.recipe.data import Data, Generator, LargeImages, PublishedGenerator, Refinement, ZeroQ
from gdfq_export.recipe.gates import Gates, load_gates
from gdfq_export.recipe.key_facts import KeyFacts, key_facts
from gdfq_export.recipe.load import DEFAULT_RECIPE, list_recipes, load_recipe, recipe_sha256, recipe_to_yaml
from gdfq_export.recipe.recipe import Budget, Recipe, Verify, recipe_schema
from gdfq_export.recipe.tuning import Calibration, FineTune, PublishedFineTune, Tuning
