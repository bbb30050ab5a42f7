"""The tuning steps of a recipe, in their order."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

from gdfq_export.frontend.passes.fold_batch_norm import ChannelStatistics
from gdfq_export.recipe import FineTune, Recipe
from gdfq_export.simulator import Simulator
from gdfq_export.support.batch_size import MOST, batch_size
from gdfq_export.support.clocks.budget_clock import BudgetClock
from gdfq_export.support.progress import Progress
from gdfq_export.tuning.calibration import calibrate
from gdfq_export.tuning.dfq.bias_absorption import absorb
from gdfq_export.tuning.dfq.bias_correction import correct_biases
from gdfq_export.tuning.dfq.equalization import equalize
from gdfq_export.tuning.dfq.statistics_ranges import statistics_ranges
from gdfq_export.tuning.distillation import finetune
from gdfq_export.tuning.reconstruction.layerwise import MEMORY, tune_layers
from gdfq_export.tuning.timed_finetuning import fit_finetune

log = logging.getLogger(__name__)

_MOST_BITS = 8
_MEMORY_OF_LARGE = 3 * 2**28  # bytes, at 8 bits: there, twice as many large images gain 0.1 dB


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """The fine-tuning that was done, and warnings."""

    finetune: FineTune | None
    warnings: tuple[str, ...] = ()


def tune(
    simulator: Simulator,
    images: Tensor,
    recipe: Recipe,
    *,
    statistics: Mapping[str, ChannelStatistics],
    seed: int,
    device: str,
    progress: Progress,
    clock: BudgetClock | None = None,
) -> Tuned:
    """Calibrate and tune the simulator in place.

    Args:
        simulator: with the float network's parameters, on `device`.
        images: [N, C, H, W] in the network's input range.
        recipe: as it is used for this network's image size.
        statistics: what is known of the float network's values, its input among them, by name.
        seed: of everything random.
        device: torch device of the simulator.
        progress: where phases report themselves.
        clock: of a run with a time budget; fine-tuning takes what the other steps leave.
    """
    if recipe.tuning.equalization != "none":
        statistics = equalize(simulator, statistics, recipe.tuning.equalization)
    if recipe.tuning.absorption:
        statistics = absorb(simulator, statistics)
    reference = simulator.float_copy()
    matched = statistics if recipe.calibration.match_statistics else {}
    seen = images[: recipe.calibration.images]
    together = MOST if recipe.calibration.match_statistics else batch_size(seen.shape[1:])
    with progress.phase("calibrate") as phase:
        calibrate(
            simulator,
            _batches(seen, together, device),
            recipe.calibration,
            _known_ranges(simulator, recipe, statistics),
            on_batch=lambda done: phase(done, len(seen), {}),
            statistics=matched,
        )
    float_weights = {layer.name: layer.weight.detach().clone() for layer in simulator.layers()}
    if recipe.tuning.rounding or recipe.tuning.bias_correction == "empirical":
        with progress.phase("tune layers") as phase:
            tune_layers(
                simulator,
                reference,
                seen.to(device),
                recipe.tuning,
                seed=seed,
                statistics=matched,
                on_layer=lambda done, total: phase(done, total, {}),
                memory=_memory(recipe, seen),
            )
    if recipe.tuning.bias_correction == "analytic":
        for layer, reason in correct_biases(simulator, float_weights, statistics).items():
            log.info("the bias of %s was not corrected: %s", layer, reason)
    chosen = recipe.tuning.finetune
    if clock is not None:
        chosen = fit_finetune(recipe, clock, simulator=simulator, reference=reference, images=images)
    if chosen is None:
        return Tuned(finetune=None)
    with progress.phase("fine-tune") as phase:
        taken_back = finetune(simulator, reference, images, chosen, seed=seed, on_step=phase)
    return Tuned(finetune=chosen, warnings=() if taken_back is None else (taken_back,))


def _known_ranges(
    simulator: Simulator, recipe: Recipe, statistics: Mapping[str, ChannelStatistics]
) -> dict[str, tuple[float, float]]:
    if recipe.calibration.activations != "batchnorm":
        return {}
    ranges, reasons = statistics_ranges(simulator, statistics, recipe.calibration.sigmas)
    for tensor, reason in reasons.items():
        log.info("the range of %s was observed: %s", tensor, reason)
    return ranges


def _memory(recipe: Recipe, images: Tensor) -> int:
    """Bytes for the values of layers that are tuned, which limits the images [N, C, H, W] they are tuned on."""
    large = math.prod(images.shape[2:]) >= recipe.large_images.pixels
    return _MEMORY_OF_LARGE if large and min(recipe.bits.weights, recipe.bits.activations) == _MOST_BITS else MEMORY


def _batches(images: Tensor, count: int, device: str) -> Iterator[Tensor]:
    return (batch.to(device) for batch in images.split(count))
