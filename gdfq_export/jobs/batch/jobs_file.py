"""`jobs.yaml`: networks x recipes x targets x seeds, with gates, and the jobs that it stands for.

    networks:
      - resnet20.onnx
      - model: detector.onnx
        data: boxes.json
        gates: {max-map-drop-pp: 1}
    recipes: [w8a8, w4a8, mine.yaml]
    targets: [ort-cpu, openvino]
    seeds: [0, 1]
    gates: {max-size-ratio: 0.3}

Paths are relative to the file's folder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from gdfq_export.errors import InputError, errors_name
from gdfq_export.frontend.sources.model_name import FILES
from gdfq_export.jobs.batch.job import Job, JobSettings, make_job
from gdfq_export.jobs.batch.network_source import NetworkSource
from gdfq_export.recipe import DEFAULT_RECIPE, Gates, Recipe, load_recipe
from gdfq_export.recipe.section import Section
from gdfq_export.recipe.yaml_text import MOST_YAML, validated, yaml_mapping
from gdfq_export.support.files import read_text
from gdfq_export.targets import find_target

DEMO = "demo"
"""The name that stands for the embedded demo network."""


def _named(value: object) -> object:
    """A network that is only a text is its `model`."""
    return {"model": value} if isinstance(value, str) else value


def _with_underscores(value: object) -> object:
    """Gates as their flags or as in a recipe: `max-size-ratio`, `max_size_ratio`."""
    return {str(key).replace("-", "_"): limit for key, limit in value.items()} if isinstance(value, dict) else value


_Gates = Annotated[Gates, BeforeValidator(_with_underscores)]
_Name = Annotated[str, Field(min_length=1)]
_Seed = Annotated[int, Field(ge=0, lt=2**32)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class NetworkEntry(Section):
    """One network; what it says wins over the file's own `data`, `calibration` and `gates`."""

    model: _Name = Field(description="path, package.module:callable, a published network's name, or demo")
    name: _Name | None = Field(None, description="name in tables; the file's without its suffix unless given")
    data: _Name | None = Field(None, description="real images to score with")
    calibration: _Name | None = Field(None, description="images to use instead of synthesizing")
    gates: _Gates = Field(Gates(), description="limits for this network")
    scale: _Positive | None = Field(None, description="pixels 0..255 are divided by it")
    mean: tuple[float, ...] | None = Field(
        None, description="subtracted after scaling, a list of one or one per channel"
    )
    std: tuple[float, ...] | None = Field(None, description="divides after that")
    input_shape: tuple[int, ...] | None = Field(None, description="of one image, channels first, without the batch")
    keep_batch: bool = Field(False, description="keep a fixed batch of the file")
    task: _Name | None = Field(None, description="what the outputs mean")
    decode: _Name | None = Field(None, description="of a detector: package.module:function")


class JobsFile(Section):
    """One file of jobs."""

    networks: Annotated[tuple[Annotated[NetworkEntry, BeforeValidator(_named)], ...], Field(min_length=1)] = Field(
        description="the networks"
    )
    recipes: Annotated[tuple[_Name, ...], Field(min_length=1)] = Field(
        (DEFAULT_RECIPE,), description="names of shipped recipes, or paths"
    )
    targets: tuple[_Name, ...] = Field((), description="runtimes; each recipe's own unless given")
    seeds: Annotated[tuple[_Seed, ...], Field(min_length=1)] = Field((0,), description="random seeds")
    gates: _Gates = Field(Gates(), description="limits for all networks")
    data: _Name | None = Field(None, description="real images to score all networks with")
    calibration: _Name | None = Field(None, description="images for all networks")
    budget_seconds: _Positive | None = Field(
        None, description="time for each job; the recipe's own numbers unless given"
    )
    device: Annotated[str, Field(pattern="^(auto|cpu|cuda)$")] = Field("auto", description="auto, cpu or cuda")
    threads: Annotated[int, Field(ge=1, le=256)] = Field(1, description="that each job computes with")


def read_jobs(path: Path) -> list[Job]:
    """The jobs of a file: networks, then recipes, targets and seeds, without repetitions.

    Raises:
        InputError: the file cannot be read, a key or value is not accepted, or a recipe, target or image set is
            missing. A network that cannot be read is a job that is refused when it runs.
    """
    what = f"jobs {path}"
    text = read_text(path, f"the {what}", "give a YAML file with a list of networks", most=MOST_YAML)
    content = yaml_mapping(text, what)
    if not content:
        raise InputError(
            f"{what}: holds no keys; it needs a list networks, and accepts {', '.join(JobsFile.model_fields)}"
        )
    file, folder = validated(JobsFile, content, what), path.parent
    with errors_name(what):
        names = _names(file)
        recipes = [
            _with_target(recipe, target) for recipe in _recipes(file, folder) for target in file.targets or (None,)
        ]
        jobs = [
            make_job(_source(entry, folder), recipe, _settings(file, entry, folder, names[number], seed))
            for number, entry in enumerate(file.networks)
            for recipe in recipes
            for seed in file.seeds
        ]
    return list({job.sha256: job for job in jobs}.values())


def _names(file: JobsFile) -> list[str]:
    names = [entry.name or _source(entry, Path()).name for entry in file.networks]
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise InputError(
            f"{count} networks are called {name}; give each a name of its own, as the key name beside model"
        )
    return names


def _recipes(file: JobsFile, folder: Path) -> list[Recipe]:
    """By name; a recipe of the user's own is looked for beside the file of jobs."""
    return [load_recipe(str(folder / name) if (folder / name).is_file() else name) for name in file.recipes]


def _with_target(recipe: Recipe, target: str | None) -> Recipe:
    return recipe if target is None else recipe.model_copy(update={"target": find_target(target).name})


def _source(entry: NetworkEntry, folder: Path) -> NetworkSource:
    options = entry.model_dump(include={"scale", "mean", "std", "input_shape", "keep_batch", "task", "decode"})
    model: str | None = None if entry.model == DEMO else entry.model
    if model is not None and (Path(model).suffix.lower() in FILES or ":" not in model):
        model = str(folder / model)
    return NetworkSource(model=model, **options)


def _settings(file: JobsFile, entry: NetworkEntry, folder: Path, name: str, seed: int) -> JobSettings:
    data, calibration = entry.data or file.data, entry.calibration or file.calibration
    limits: Mapping[str, Any] = {**file.gates.limits(), **entry.gates.limits()}
    return JobSettings(
        network_name=name,
        seed=seed,
        data=None if data is None else folder / data,
        calibration=None if calibration is None else folder / calibration,
        gates=limits,
        budget_seconds=file.budget_seconds,
        device=file.device,
        threads=file.threads,
    )
