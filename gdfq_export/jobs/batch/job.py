"""One job of a batch: one network, one recipe, one seed, as text and numbers, so that any worker can run it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gdfq_export import __version__
from gdfq_export.errors import InputError
from gdfq_export.jobs.batch.network_source import NetworkSource
from gdfq_export.jobs.resume.identity import JobIdentity
from gdfq_export.recipe import Gates, Recipe, recipe_sha256
from gdfq_export.support.files import sha256_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is run, and by what it is known.

    Attributes:
        network: the float network.
        network_name: of it, in tables.
        recipe: with the target; its gates are empty unless precision is chosen by them.
        identity: all that decides the results; its hash is the job's address in a store.
        seed: random seed.
        data: real images to score with, a path; of the demo without any, its own.
        calibration: images to use instead of synthesizing, a path.
        gates: limits by gate name; they are no part of the identity, since they change no file.
        budget_seconds: time to spend; None runs the recipe's own numbers.
        device: torch device.
        threads: that it computes with; the bytes of a large network depend on it. None takes all cores.
        refused: why it cannot be run, where that is known already.
    """

    network: NetworkSource
    network_name: str
    recipe: Recipe
    identity: JobIdentity
    seed: int = 0
    data: str | None = None
    calibration: str | None = None
    gates: Mapping[str, float | bool] = field(default_factory=dict)
    budget_seconds: float | None = None
    device: str = "auto"
    threads: int | None = 1
    refused: str | None = None

    @property
    def sha256(self) -> str:
        """The job's address: the same for the same network, recipe, target, seed, images and version."""
        return self.identity.sha256

    @property
    def name(self) -> str:
        """The job in one line, for tables and messages."""
        return f"{self.network_name}, {self.recipe.name}, {self.recipe.target}, seed {self.seed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSettings:
    """What a job can do without; the attributes are those of `Job`."""

    network_name: str | None = None
    seed: int = 0
    data: str | Path | None = None
    calibration: str | Path | None = None
    gates: Mapping[str, float | bool] = field(default_factory=dict)
    budget_seconds: float | None = None
    device: str = "auto"
    threads: int | None = 1


def make_job(network: NetworkSource, recipe: Recipe, settings: JobSettings | None = None) -> Job:
    """The job with its identity, for which the files are read. A network that cannot be read gives a refused job.

    Raises:
        InputError: images cannot be read.

    Example:
        >>> from gdfq_export.recipe import load_recipe
        >>> make_job(NetworkSource(), load_recipe("w8a8")).name
        'demo, w8a8-ort-cpu, ort-cpu, seed 0'
    """
    settings, refused = settings or JobSettings(), None
    limits = {**recipe.gates.limits(), **settings.gates}
    gates = Gates.of(limits) if recipe.bits.precision == "auto" else Gates()
    recipe = recipe.model_copy(update={"gates": gates})
    try:
        network_sha256 = network.sha256()
    except (InputError, OSError) as error:
        network_sha256, refused = f"unreadable: {network.model}", str(error)
    identity = JobIdentity(
        tool_version=__version__,
        network_sha256=network_sha256,
        preprocessing=network.preprocessing,
        target=recipe.target,
        recipe_sha256=recipe_sha256(recipe),
        seed=settings.seed,
        device=settings.device,
        budget_seconds=settings.budget_seconds,
        scored_sha256=sha256_of_images(settings.data),
        calibration_sha256=sha256_of_images(settings.calibration),
        threads=settings.threads,
    )
    return Job(
        network=network,
        network_name=settings.network_name or network.name,
        recipe=recipe,
        identity=identity,
        seed=settings.seed,
        data=None if settings.data is None else str(settings.data),
        calibration=None if settings.calibration is None else str(settings.calibration),
        gates=limits,
        budget_seconds=settings.budget_seconds,
        device=settings.device,
        threads=settings.threads,
        refused=refused,
    )


def sha256_of_images(path: str | Path | None) -> str | None:
    """Hex SHA-256 of a file of images, or of the names and bytes of all files in a folder; None of none.

    Raises:
        InputError: there is nothing at the path.
    """
    if path is None:
        return None
    path = Path(path)
    if path.is_file():
        return sha256_file(path)
    if not path.is_dir():
        raise InputError(f"{path} does not exist; give an .npz file of images or a folder of images")
    digest = hashlib.sha256()
    for file in sorted(each for each in path.rglob("*") if each.is_file()):
        digest.update(f"{file.relative_to(path).as_posix()} {sha256_file(file)}\n".encode())
    return digest.hexdigest()
