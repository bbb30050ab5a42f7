"""Recipes: everything that decides what comes out, apart from the network and the seed.

The pydantic models below are the format of `recipes/*.yaml` and the only place where a default lives. Unknown keys are
rejected.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.resources
import json
from collections.abc import Iterable, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gdfq_export.errors import InputError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from calib.gdfq import GeneratorTraining
    from calib.refinement import Refinement as RefinementSettings

__all__ = [
    "DEFAULT_RECIPE",
    "Bits",
    "Calibration",
    "Data",
    "FineTune",
    "Generator",
    "LargeImages",
    "Recipe",
    "Refinement",
    "Tuning",
    "Verify",
    "list_recipes",
    "load_recipe",
    "recipe_sha256",
    "recipe_to_yaml",
]

DEFAULT_RECIPE = "w8a8-ort-cpu"

BitWidth = Annotated[int, Field(ge=2, le=8)]
Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Bits(_Section):
    """Bit widths, by what they apply to."""

    weights: BitWidth = 8
    activations: BitWidth = 8
    first_last: BitWidth = Field(8, description="weights and activations of the first and the last layer")
    residual: BitWidth = Field(8, description="a layer's output that feeds a residual Add")
    input: BitWidth = Field(8, description="the network's input")


class Generator(_Section):
    """The conditional generator G(z | y) and its training (GDFQ: cross-entropy + BatchNorm statistics)."""

    steps: Count = 180
    batch: Annotated[int, Field(ge=2)] = 32
    learning_rate: Rate = 1e-2
    latent: Count = Field(100, description="length of the noise vector z")
    width: Count = Field(64, description="channels of the generator's coarse grid")
    bns_weight: Weight = Field(5.0, description="weight of the BatchNorm statistics loss beside the cross-entropy")
    bns_normalized: bool = Field(True, description="errors in units of the running standard deviation")
    diversity_weight: Weight = Field(2.0, description="weight of the distance between images of one class")
    classes: Count = Field(100, description="classes learned and drawn, chosen at random where there are more")
    crop_fraction: Annotated[float, Field(ge=0, le=1)] = Field(
        0.75, description="share of steps on crops of large images"
    )

    def settings(self) -> GeneratorTraining:
        """The same settings in the words of `calib`."""
        from calib.gdfq import GeneratorTraining

        return GeneratorTraining(**self.model_dump())


class Refinement(_Section):
    """Pixels of dead leaves, refined until the network recognises them (cross-entropy + BatchNorm statistics)."""

    steps: Count = 30
    batch: Count = Field(32, description="images refined together")
    learning_rate: Rate = Field(1e-2, description="as a share of the input's range")
    bns_weight: Weight = Field(10.0, description="weight of the BatchNorm statistics loss beside the cross-entropy")
    variation_weight: Weight = Field(1.0, description="weight of the total variation")

    def settings(self) -> RefinementSettings:
        """The same settings in the words of `calib`."""
        from calib.refinement import Refinement as RefinementSettings

        return RefinementSettings(**self.model_dump())


class Data(_Section):
    """Where calibration and tuning images come from: a generator, refined dead leaves, or noise."""

    method: Literal["gdfq", "refined", "noise"] = "gdfq"
    images: Count = Field(1024, description="images drawn for fine-tuning")
    generator: Generator = Field(Generator(), description="for method: gdfq")
    refinement: Refinement = Field(Refinement(), description="for method: refined")


class LargeImages(_Section):
    """What holds instead for large inputs, where a generator learns no classes in minutes and every image is dear."""

    pixels: Count = Field(128 * 128, description="height times width from which this section holds")
    data: Data = Field(Data(method="refined", images=64), description="in place of data with method: gdfq")
    calibration_images: Count = Field(64, description="at most so many calibration.images")
    agreement_images: Count = Field(32, description="at most so many verify.agreement_images")


class Calibration(_Section):
    """How the range of each quantized tensor is estimated."""

    activations: Literal["mse", "minmax", "percentile", "entropy"] = "mse"
    weights: Literal["mse", "minmax"] = "mse"
    percentile: Annotated[float, Field(gt=50, le=100)] = Field(99.99, description="for activations: percentile")
    images: Count = Field(512, description="images of the draw that are observed")


class FineTune(_Section):
    """Distillation of the float network into the simulated low-bit one."""

    steps: Count = 500
    batch: Annotated[int, Field(ge=2)] = 64
    learning_rate: Rate = 1e-4
    scale_learning_rate: Rate = Field(1e-3, description="for the logarithms of the quantizers' scales")
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(4.0, description="of the softened logits")
    feature_weight: Weight = Field(1.0, description="weight of the feature error beside the logits' divergence")


class Tuning(_Section):
    """What is adjusted after calibration."""

    rounding: bool = Field(True, description="compensate the weights' rounding errors, seen from their inputs")
    bias_correction: bool = Field(True, description="move each channel's mean onto the float network's")
    finetune: FineTune | None = None


class Verify(_Section):
    """How much is measured at the end of a run."""

    agreement_images: Count = Field(512, description="fresh synthetic images for the top-1 agreement with float")
    parity_images: Count = Field(256, description="images on which every integer is compared with ONNX Runtime's")
    latency_seconds: Annotated[float, Field(ge=0, le=600)] = Field(3.0, description="spent on timing; 0: none")


class Recipe(_Section):
    """One recipe file."""

    name: Annotated[str, Field(min_length=1)]
    description: str = ""
    target: Literal["ort-cpu"] = "ort-cpu"
    bits: Bits = Bits()
    data: Data = Data()
    calibration: Calibration = Calibration()
    tuning: Tuning = Tuning()
    verify: Verify = Verify()
    large_images: LargeImages = LargeImages()

    def for_input(self, shape: tuple[int, int, int]) -> Recipe:
        """The recipe as it is used for images of `shape` (C, H, W)."""
        large = self.large_images
        if shape[1] * shape[2] < large.pixels:
            return self
        calibration = min(self.calibration.images, large.calibration_images)
        agreement = min(self.verify.agreement_images, large.agreement_images)
        return self.model_copy(
            update={
                "data": large.data if self.data.method == "gdfq" else self.data,
                "calibration": self.calibration.model_copy(update={"images": calibration}),
                "verify": self.verify.model_copy(update={"agreement_images": agreement}),
            }
        )


def load_recipe(name_or_path: str | Path) -> Recipe:
    """Read a shipped recipe by its name (`w8a8-ort-cpu`, `paper/NAME`), or any recipe by its path.

    Raises:
        InputError: no such recipe or file, not YAML, an unknown key, or a value that is not accepted.
    """
    shipped = _shipped()
    text = str(name_or_path)
    if isinstance(name_or_path, str) and text in shipped:
        return _parse(shipped[text].read_text(encoding="utf-8"), text)
    path = Path(name_or_path)
    if isinstance(name_or_path, str) and path.suffix not in {".yaml", ".yml"} and not path.exists():
        raise InputError(
            f"no recipe is named {text!r}{_hint(text, shipped)}; shipped are {', '.join(shipped)}, "
            "and a recipe of your own is given by its path, ending in .yaml"
        )
    try:
        content = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"cannot read the recipe {path}: it is not a text file in UTF-8; give a YAML file") from error
    except OSError as error:
        names = ", ".join(shipped)
        raise InputError(f"cannot read the recipe {path}: {error.strerror}; shipped recipes are {names}") from error
    return _parse(content, str(path))


def list_recipes() -> tuple[Recipe, ...]:
    """All shipped recipes, the default first, then by name."""
    recipes = [_parse(file.read_text(encoding="utf-8"), name) for name, file in _shipped().items()]
    return tuple(sorted(recipes, key=lambda recipe: (recipe.name != DEFAULT_RECIPE, recipe.name)))


def recipe_sha256(recipe: Recipe) -> str:
    """Hex SHA-256 of the recipe with every default filled in, as JSON with sorted keys and no spaces."""
    canonical = json.dumps(recipe.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def recipe_to_yaml(recipe: Recipe) -> str:
    """The recipe with every default filled in; `load_recipe` reads it back as the same recipe."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)


def _shipped() -> dict[str, Traversable]:
    """Name -> file of every shipped recipe; one in the folder `paper` is named `paper/NAME`."""
    root = importlib.resources.files("recipes")
    found = {}
    for prefix, folder in (("", root), ("paper/", root / "paper")):
        if folder.is_dir():
            files = (file for file in folder.iterdir() if file.name.endswith(".yaml"))
            found.update({prefix + file.name.removesuffix(".yaml"): file for file in files})
    return dict(sorted(found.items()))


def _parse(text: str, where: str) -> Recipe:
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "unreadable"
        raise InputError(f"recipe {where}: not valid YAML{line} ({problem}); mend that line") from error
    if not isinstance(content, dict):
        raise InputError(f"recipe {where}: holds no keys; it needs at least a name, and accepts {_keys(Recipe)}")
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        first, *others = error.errors()
        more = f" (and {len(others)} more to mend)" if others else ""
        raise InputError(f"recipe {where}: {_explain(first)}{more}") from error


def _explain(error: ErrorDetails) -> str:
    """One clause for one pydantic error: the key, what was found, what is accepted."""
    path = [str(part) for part in error["loc"]]
    key, section = path[-1], _section_at(path[:-1])
    dotted = ".".join(path)
    if error["type"] == "extra_forbidden":
        return f"unknown key {dotted}{_hint(key, section.model_fields)}; accepted here: {_keys(section)}"
    accepted = _accepted(section, key)
    if error["type"] == "missing":
        return f"the key {dotted} is missing; give it {accepted}"
    return f"{dotted} is {error['input']!r}; give it {accepted}"


def _section_at(path: Sequence[str]) -> type[BaseModel]:
    """The model that holds the keys below `path`."""
    section: type[BaseModel] = Recipe
    for part in path:
        section = _section_of(section.model_fields[part].annotation) or section
    return section


def _section_of(annotation: Any) -> type[BaseModel] | None:
    """The model in an annotation such as `Generator` or `FineTune | None`."""
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _accepted(section: type[BaseModel], key: str) -> str:
    """What a key accepts, in words, read from the model: `an integer from 2 to 8`."""
    if inner := _section_of(section.model_fields[key].annotation):
        return f"a mapping with keys among {_keys(inner)}"
    schema = section.model_json_schema()["properties"][key]
    if "enum" in schema or "const" in schema:
        return "one of " + ", ".join(schema.get("enum", [schema.get("const")]))
    kinds = {"integer": "an integer", "number": "a number", "boolean": "true or false", "string": "a text"}
    bounds = [
        words.format(schema[name])
        for name, words in (
            ("minimum", "from {}"),
            ("exclusiveMinimum", "above {}"),
            ("maximum", "to {}" if "minimum" in schema else "up to {}"),
        )
        if name in schema
    ]
    return " ".join([kinds[schema["type"]], *bounds])


def _keys(section: type[BaseModel]) -> str:
    return ", ".join(section.model_fields)


def _hint(wrong: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(wrong, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
