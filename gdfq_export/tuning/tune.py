"""The tuning steps of a recipe, in their order."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

from gdfq_export.frontend.passes.fold_batch_norm import ChannelStatistics
from gdfq_export.recipe import FineTune, Recipe, Tuning
from gdfq_export.simulator import Mode, Simulator
from gdfq_export.support.batch_size import MOST, batch_size
from gdfq_export.support.progress import Progress
from gdfq_export.tuning.best_state import BestState
from gdfq_export.tuning.calibration import calibrate
from gdfq_export.tuning.channel_splitting import split_channels
from gdfq_export.tuning.dfq.bias_absorption import absorb
from gdfq_export.tuning.dfq.bias_correction import correct_biases
from gdfq_export.tuning.dfq.equalization import equalize
from gdfq_export.tuning.dfq.statistics_ranges import statistics_ranges
from gdfq_export.tuning.distillation import Following, finetune
from gdfq_export.tuning.history import TimedTuning, TuningHistory
from gdfq_export.tuning.reconstruction.images_in_memory import MEMORY, images_in_memory
from gdfq_export.tuning.reconstruction.layerwise import LayerFollowing, tune_layers
from gdfq_export.tuning.timed_finetuning import fit_finetune

log = logging.getLogger(__name__)

_MOST_BITS = 8
_MEMORY_OF_LARGE = 3 * 2**28  # bytes, at 8 bits: there, twice as many large images gain 0.1 dB
_UNDONE = "tuning of layers was undone: it increased the error of the outputs on images that nothing is tuned on"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """What was done.

    Attributes:
        finetune: the fine-tuning.
        layers_tuned: whether the layer-by-layer steps were kept.
        warnings: what the user should know.
        history: figures on held-out images over time, in a run with a budget.
    """

    finetune: FineTune | None
    layers_tuned: bool = True
    warnings: tuple[str, ...] = ()
    history: TuningHistory | None = None


def tune(
    simulator: Simulator,
    images: Tensor,
    recipe: Recipe,
    *,
    statistics: Mapping[str, ChannelStatistics],
    seed: int,
    device: str,
    progress: Progress,
    timed: TimedTuning | None = None,
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
        timed: of a run with a time budget: fine-tuning takes what the other steps leave, and tuning of layers that
            increases the error on the held-out images is undone.
    """
    statistics = _equalized(simulator, statistics, recipe.tuning)
    reference = simulator.float_copy()
    matched = statistics if recipe.calibration.match_statistics else {}
    seen = images[: recipe.calibration.images]
    together = MOST if recipe.calibration.match_statistics else batch_size(seen.shape[1:])
    with progress.phase("calibrate") as phase:
        checkpoint = progress.checkpoints.of("calibrate")
        if (saved := checkpoint.load()) is not None:
            simulator.load_state_dict(saved["simulator"])
            simulator.set_mode(Mode.QUANTIZE)
        else:
            calibrate(
                simulator,
                _batches(seen, together, device),
                recipe.calibration,
                _known_ranges(simulator, recipe, statistics),
                on_batch=lambda done: phase(done, len(seen), {}),
                statistics=matched,
                processes=progress.processes,
            )
            checkpoint.finish(lambda: {"simulator": simulator.state_dict()})
    fractions = split_channels(simulator, reference, seen.to(device)) if recipe.tuning.split_channels else {}
    history = _history(timed, reference, progress)
    calibrated = None if history is None else BestState(simulator, history.measure("calibrate", simulator))
    float_weights = {layer.name: layer.weight.detach().clone() for layer in simulator.layers()}
    if recipe.tuning.rounding or recipe.tuning.bias_correction == "empirical":
        with progress.phase("tune layers") as phase:
            fitting = progress.processes.from_first(
                lambda: len(images_in_memory(reference, seen.to(device), _memory(recipe, seen)))
            )
            tune_layers(
                simulator,
                reference,
                seen[:fitting].to(device),
                recipe.tuning,
                seed=seed,
                statistics=matched,
                fractions=fractions,
                follow=LayerFollowing(
                    on_layer=lambda done, total: phase(done, total, {}),
                    checkpoint=progress.checkpoints.of("tune layers"),
                    processes=progress.processes,
                ),
            )
    if recipe.tuning.bias_correction == "analytic":
        _correct_biases(simulator, float_weights, statistics)
    if timed is None or history is None or calibrated is None:
        return _fine_tuned(simulator, reference, images, recipe.tuning.finetune, seed=seed, progress=progress)
    layers_tuned = _better_tuned(simulator, calibrated, history, recipe.tuning)
    chosen = _chosen_finetune(recipe, timed, progress, simulator=simulator, reference=reference, images=images)
    tuned = _fine_tuned(simulator, reference, images, chosen, seed=seed, progress=progress, history=history)
    undone = () if layers_tuned else (_UNDONE,)
    return dataclasses.replace(tuned, layers_tuned=layers_tuned, warnings=(*undone, *tuned.warnings), history=history)


def _history(timed: TimedTuning | None, reference: Simulator, progress: Progress) -> TuningHistory | None:
    if timed is None or timed.held_out is None:
        return None
    return TuningHistory(timed.clock, timed.held_out, reference=reference, progress=progress)


def _better_tuned(simulator: Simulator, calibrated: BestState, history: TuningHistory, settings: Tuning) -> bool:
    """Measure what tuning of layers came to, and undo it where the calibrated state is better; whether it was left."""
    history.keep("calibrate")
    if not settings.rounding and settings.bias_correction == "none":
        return True
    if not calibrated.settle(history.measure("tune layers", simulator), 1):
        return False
    history.keep("tune layers")
    return True


def _fine_tuned(
    simulator: Simulator,
    reference: Simulator,
    images: Tensor,
    settings: FineTune | None,
    *,
    seed: int,
    progress: Progress,
    history: TuningHistory | None = None,
) -> Tuned:
    """Fine-tune, where there are settings for it; a history gets the checkpoints and says when time is up."""
    if settings is None:
        return Tuned(finetune=None)
    with progress.phase("fine-tune") as phase:
        done = finetune(
            simulator,
            reference,
            images,
            settings,
            seed=seed,
            on_step=phase,
            follow=_following(history, progress),
        )
    if history is not None and done.kept:
        history.keep("fine-tune", done.kept)
    return Tuned(finetune=settings.model_copy(update={"steps": done.steps}), warnings=done.warnings)


def _following(history: TuningHistory | None, progress: Progress) -> Following:
    following = Following(checkpoint=progress.checkpoints.of("fine-tune"), processes=progress.processes)
    if history is None:
        return following
    return dataclasses.replace(following, on_measured=history.checkpoint, time_is_up=history.time_is_up)


def _chosen_finetune(
    recipe: Recipe,
    timed: TimedTuning,
    progress: Progress,
    *,
    simulator: Simulator,
    reference: Simulator,
    images: Tensor,
) -> FineTune | None:
    """The fine-tuning that the rest of the time pays for, or what an earlier part of the run has chosen."""
    checkpoint = progress.checkpoints.of("steps of fine-tuning")
    if (kept := checkpoint.kept()) is not None:
        return None if kept["chosen"] is None else FineTune.model_validate(kept["chosen"])
    chosen = progress.processes.from_first(
        lambda: fit_finetune(recipe, timed.clock, simulator=simulator, reference=reference, images=images)
    )
    checkpoint.keep({"chosen": None if chosen is None else chosen.model_dump(mode="json")})
    return chosen


def _equalized(
    simulator: Simulator, statistics: Mapping[str, ChannelStatistics], settings: Tuning
) -> Mapping[str, ChannelStatistics]:
    """Equalize channels and absorb biases as the recipe says; returns the statistics of what is computed then."""
    if settings.equalization != "none":
        statistics = equalize(simulator, statistics, settings.equalization)
    return absorb(simulator, statistics) if settings.absorption else statistics


def _correct_biases(
    simulator: Simulator, float_weights: Mapping[str, Tensor], statistics: Mapping[str, ChannelStatistics]
) -> None:
    for layer, reason in correct_biases(simulator, float_weights, statistics).items():
        log.info("the bias of %s was not corrected: %s", layer, reason)


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
