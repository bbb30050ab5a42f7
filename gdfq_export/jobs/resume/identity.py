"""All that decides what a run makes: a run goes on only from the checkpoint of one that is identical."""

from __future__ import annotations

import hashlib
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
