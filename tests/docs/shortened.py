"""The commands of the pages, shorter by what a reader may ask for himself: recipes of few steps, small budgets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import yaml

from gdfq_export.recipe import DEFAULT_RECIPE, Recipe, load_recipe, recipe_to_yaml
from gdfq_export.recipe.tuning import FineTune

__all__ = ["cut_to_budget", "short_recipe", "shortened"]

_SECONDS = "1"
_ENOUGH = 400  # images of a bundle that decide whether 0.99 of the answers agree
_FEW = {
    "data": {
        "images": 128,
        "generator": {"steps": 12},
        "refinement": {"steps": 1},
        "zeroq": {"steps": 2},
        "published": {"steps": 8, "batch": 4},
    },
    "large_images": {"calibration_images": 8, "agreement_images": 8},
    "calibration": {"images": 64},
    "verify": {"agreement_images": 64, "parity_images": 16, "latency_seconds": 0.3},
}


def short_recipe(name: str, *, images: int | None = None) -> Recipe:
    """The recipe of that name or file with few steps and images; `images` of them are calibrated on."""
    recipe = load_recipe(name)
    content = _merged(recipe.model_dump(), _FEW)
    content["calibration"]["images"] = images or content["calibration"]["images"]
    if recipe.tuning.finetune is not None:
        content["tuning"]["finetune"] |= FineTune(steps=2, batch=16).model_dump(include={"steps", "batch"})
    return Recipe.model_validate(content)


def shortened(words: list[str], folder: Path) -> list[str]:
    """The words of a command of the tool or of a bench; what is added to them wins over what stood there."""
    given = cut_to_budget(words)
    extra = _EXTRA.get(words[0], _nothing)
    return [*given, *extra(given, folder)]


def cut_to_budget(words: list[str]) -> list[str]:
    """The words with a budget of seconds where there is one, and without a GPU."""
    budget = _SECONDS if words[0] in ("run", "all") else f"{_SECONDS}s"
    given = {"--budget": budget, "--device": "cpu"}
    cut = [given.get(before, word) for before, word in zip(["", *words], words, strict=False)]
    return [*cut, *{"compare": ["--budget", budget], "all": ["--budget", budget, "--seeds", "0"]}.get(words[0], [])]


def _nothing(words: list[str], folder: Path) -> list[str]:
    return []


def _recipe(words: list[str], folder: Path) -> list[str]:
    if "--dry-run" in words:
        return []
    name = words[words.index("--recipe") + 1] if "--recipe" in words else DEFAULT_RECIPE
    file = folder / f"short-{Path(name).stem}.yaml"
    images = _ENOUGH if "--bundle" in words else None
    recipe = short_recipe(str(folder / name) if (folder / name).is_file() else name, images=images)
    file.write_text(recipe_to_yaml(recipe), encoding="utf-8")
    return ["--recipe", file.name]


def _search(words: list[str], folder: Path) -> list[str]:
    _recipe([], folder)
    return ["--recipes", f"short-{DEFAULT_RECIPE}.yaml", "--targets", "ort-cpu"]


def _given_images(words: list[str], folder: Path) -> list[str]:
    timing = ["--latency-seconds", "0.5"]
    return timing if {"--data", "--manifest"} & {*words} else [*timing, "--images", "calib.npz"]


def _batch(words: list[str], folder: Path) -> list[str]:
    """The file of jobs is changed in place: recipes of few steps, the first seed alone."""
    file = folder / words[1]
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    for number, name in enumerate(content["recipes"]):
        if not name.startswith("short"):
            content["recipes"][number] = f"short{number}.yaml"
            (file.parent / f"short{number}.yaml").write_text(recipe_to_yaml(short_recipe(name)), encoding="utf-8")
    content["seeds"] = content["seeds"][:1]
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return ["--workers", "1"]


def _level(words: list[str], folder: Path) -> list[str]:
    return ["--level", "0"]


def _cell(words: list[str], folder: Path) -> list[str]:
    return (
        [] if "--dry-run" in words else ["--dry-run"] if words[1].startswith("pytorchcv:") else ["--budget", _SECONDS]
    )


def _cells(words: list[str], folder: Path) -> list[str]:
    return ["--bits", "w4a4", "--methods", "noise", "--seeds", "0", "--budget", _SECONDS]


_EXTRA: dict[str, Callable[[list[str], Path], list[str]]] = {
    "quantize": _recipe,
    "search": _search,
    "synthesize": _recipe,
    "verify": _given_images,
    "batch": _batch,
    "build": _level,
    "run": _cell,
    "all": _cells,
}


def _merged(content: dict, changes: dict) -> dict:
    return {
        key: _merged(value, changes[key]) if isinstance(changes.get(key), dict) else changes.get(key, value)
        for key, value in content.items()
    }
