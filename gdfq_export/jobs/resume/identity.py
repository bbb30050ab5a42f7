"""All that decides what a run makes: what is identical is not run again, and is gone on with where it was interrupted.

`JobIdentity` is what a user decides; its hash is the address of a job's results. `run_identity` has what the machine
decides as well, because a half-done run goes on only where its bytes stay the same.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

import numpy as np

from calib.samplers import RealSet
from calib.synthetic_set import SyntheticSet
from gdfq_export import __version__
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs.run_context import RunContext
from gdfq_export.metrics.preprocessing import preprocessing_text
from gdfq_export.recipe import Recipe, recipe_sha256
from gdfq_export.runtimes.environment.computing import computing_on
from gdfq_export.runtimes.environment.machine import versions


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class JobIdentity:
    """All that decides a job's results, but for the machine; two jobs of the same identity need not both be run.

    `scored_sha256` is that of the real images it is scored on, `calibration_sha256` of those it is tuned on, None where
    there are none; `budget_seconds` is None where there is none; `threads` are those that a user names.

    Example:
        >>> facts = {"tool_version": "1", "preprocessing": "", "target": "ort-cpu", "recipe_sha256": "r"}
        >>> facts |= {"device": "cpu", "budget_seconds": None, "scored_sha256": None, "calibration_sha256": None}
        >>> first, second = (JobIdentity(network_sha256="n", seed=seed, **facts).sha256 for seed in (0, 1))
        >>> len(first), first == second
        (64, False)
    """

    tool_version: str
    network_sha256: str
    preprocessing: str
    target: str
    recipe_sha256: str
    seed: int
    device: str
    budget_seconds: float | None
    scored_sha256: str | None
    calibration_sha256: str | None
    threads: int | None = None

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of all facts, as JSON with sorted keys and no spaces."""
        canonical = json.dumps(dataclasses.asdict(self), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(canonical.encode()).hexdigest()


def run_identity(command: str, model: FloatModel, *, recipe: Recipe, run: RunContext, **more: Any) -> dict[str, Any]:
    """Facts by the names that a message uses where two runs differ.

    Args:
        command: quantize, synthesize or compare.
        model: the float network.
        recipe: as it is used, before a budget and the images' size change it.
        run: seed, device, budget; its device is resolved (`RunContext.started`).
        more: facts of the command; JSON data.
    """
    computing = computing_on(run.device)
    return {
        "command": command,
        "version": __version__,
        "network": f"{model.name} ({model.sha256})",
        "preprocessing": preprocessing_text(model.input_spec),
        "task": model.task.name,
        "batch": model.file_batch,
        "recipe": f"{recipe.name} ({recipe_sha256(recipe)})",
        "seed": run.seed,
        "budget": run.budget_seconds,
        "device": computing.device,
        "threads": computing.threads,
        **({"processes": run.processes.size} if run.processes.size > 1 else {}),
        "CPU": computing.cpu,
        "instruction set": computing.instruction_set,
        **{f"version of {name}": version for name, version in versions().items()},
        **more,
    }


def images_identity(images: SyntheticSet | RealSet | None) -> str | None:
    """SHA-256 of images and labels that a user gives."""
    if images is None:
        return None
    digest = hashlib.sha256()
    for array in (np.asarray(images.images), np.asarray(images.labels)):
        digest.update(f"{array.shape} {array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
