"""Recipes as files: shipped ones by name, a user's own by path; written as YAML, identified by a hash."""

from __future__ import annotations

import hashlib
import importlib.resources
import json
from importlib.resources.abc import Traversable
from pathlib import Path

import yaml

from gdfq_export.errors import InputError
from gdfq_export.recipe.explain import hint, keys
from gdfq_export.recipe.recipe import Recipe
from gdfq_export.recipe.yaml_text import MOST_YAML, validated, yaml_mapping
from gdfq_export.support.files import read_text

DEFAULT_RECIPE = "w8a8-ort-cpu"
_OTHER_NAMES = {"int8": "w8a8", "int4": "w4a8"}
_LATER_KEYS: dict[tuple[str, ...], object] = {
    ("bits", "storage"): "packed",
    ("bits", "blocks"): None,
    ("bits", "others"): None,
    ("bits", "keep_float"): [],
    ("bits", "precision"): "fixed",
    ("bits", "keep_int16"): [],
    ("bits", "scaled_channels"): True,
    ("calibration", "match_statistics"): None,
    ("data", "refinement", "coarse_steps"): 0,
    ("tuning", "split_channels"): False,
    ("large_images", "refit_ridge"): None,
    ("large_images", "finetune_steps"): 0,
    ("large_images", "data", "refinement", "coarse_steps"): 0,
}


def load_recipe(name_or_path: str | Path) -> Recipe:
    """Read a shipped recipe by its name (`w8a8-ort-cpu`, `paper/NAME`), or any recipe by its path.

    `w8a8` stands for `w8a8-ort-cpu`, `int8` for 8 bits of both, `int4` for weights of 4 and activations of 8 bits.

    Raises:
        InputError: no such recipe or file, not YAML, an unknown key, or a value that is not accepted.
    """
    shipped = _shipped()
    text = str(name_or_path)
    short = f"{_OTHER_NAMES.get(text.lower(), text.lower())}-ort-cpu"
    if isinstance(name_or_path, str) and short in shipped and not Path(text).exists():
        text = name_or_path = short
    if isinstance(name_or_path, str) and text in shipped:
        return _parse(shipped[text].read_text(encoding="utf-8"), text)
    path = Path(name_or_path)
    if isinstance(name_or_path, str) and path.suffix not in {".yaml", ".yml"} and not path.exists():
        raise InputError(
            f"no recipe is named {text!r}{hint(text, shipped)}; shipped are {', '.join(shipped)}, "
            "and a recipe of your own is given by its path, ending in .yaml"
        )
    remedy = f"give a YAML file, or one of the shipped recipes {', '.join(shipped)}"
    return _parse(read_text(path, f"the recipe {path}", remedy, most=MOST_YAML), str(path))


def list_recipes() -> tuple[Recipe, ...]:
    """All shipped recipes, the default first, then by name."""
    recipes = [_parse(file.read_text(encoding="utf-8"), name) for name, file in _shipped().items()]
    return tuple(sorted(recipes, key=lambda recipe: (recipe.name != DEFAULT_RECIPE, recipe.name)))


def recipe_sha256(recipe: Recipe) -> str:
    """Hex SHA-256 of the recipe with every default filled in, as JSON with sorted keys and no spaces.

    Gates are left out, since they do not change the file, unless precision is chosen by them. So are later keys at
    their defaults: a recipe keeps its hash as long as it makes the same file.
    """
    decide = recipe.bits.precision == "auto"
    settings = recipe.model_dump(mode="json", exclude=set() if decide else {"gates"})
    for (*sections, key), default in _LATER_KEYS.items():
        section = settings
        for name in sections:
            section = section[name]
        if section[key] == default:
            del section[key]
    canonical = json.dumps(settings, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def recipe_to_yaml(recipe: Recipe) -> str:
    """The recipe with every default filled in; `load_recipe` reads it back as the same recipe."""
    return str(yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120))


def _shipped() -> dict[str, Traversable]:
    """Name -> file of every shipped recipe; one in the folder `paper` is named `paper/NAME`."""
    package = importlib.resources.files("gdfq_export")
    packaged = package / "recipes"
    root = packaged if packaged.is_dir() else package / ".." / "recipes"  # in a checkout they are beside the package
    found = {}
    for prefix, folder in (("", root), ("paper/", root / "paper")):
        if folder.is_dir():
            files = (file for file in folder.iterdir() if file.name.endswith(".yaml"))
            found.update({prefix + file.name.removesuffix(".yaml"): file for file in files})
    return dict(sorted(found.items()))


def _parse(text: str, where: str) -> Recipe:
    content = yaml_mapping(text, f"recipe {where}")
    if content is None:
        raise InputError(f"recipe {where}: holds no keys; it needs at least a name, and accepts {keys(Recipe)}")
    return validated(Recipe, content, f"recipe {where}")
