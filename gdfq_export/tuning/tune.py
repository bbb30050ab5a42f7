"""All that is adjusted between placement and writing, in the order a recipe asks for it."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from gdfq_export.progress import Progress
from gdfq_export.recipe import Recipe
from gdfq_export.simulator import Simulator
from gdfq_export.tuning.calibration import calibrate
from gdfq_export.tuning.finetune import finetune
from gdfq_export.tuning.layerwise import tune_layers

__all__ = ["tune"]

_BATCH = 64


def tune(simulator: Simulator, images: Tensor, recipe: Recipe, *, seed: int, device: str, progress: Progress) -> None:
    """Calibrate and tune the simulator in place.

    Args:
        simulator: with the float network's parameters, on `device`.
        images: [N, C, H, W] in the network's input range.
        recipe: as it is used for this network's image size.
        seed: of everything random.
        device: torch device of the simulator.
        progress: where phases report themselves.
    """
    seen = images[: recipe.calibration.images]
    with progress.phase("calibrate") as phase:
        calibrate(
            simulator,
            _batches(seen, device),
            recipe.calibration,
            on_batch=lambda done: phase(done, len(seen), {}),
        )
    empirical = recipe.tuning.bias_correction == "empirical"
    if recipe.tuning.rounding or empirical:
        with progress.phase("tune layers") as phase:
            tune_layers(
                simulator,
                seen.to(device),
                rounding=recipe.tuning.rounding,
                bias_correction=empirical,
                seed=seed,
                on_layer=lambda done, total: phase(done, total, {}),
            )
    if recipe.tuning.finetune is not None:
        with progress.phase("fine-tune") as phase:
            finetune(simulator, images, recipe.tuning.finetune, seed=seed, on_step=phase)


def _batches(images: Tensor, device: str) -> Iterator[Tensor]:
    return (batch.to(device) for batch in images.split(_BATCH))
