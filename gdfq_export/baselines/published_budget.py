"""The published methods in a given time: how many steps of GDFQ and of ZeroQ fit, from steps that were timed.

Both have a fixed number of steps that on a CPU takes hours or days. A run in a budget times a few steps first, on the
very network and settings, and gets as many as the rest of the time holds; their schedules are shares of the number of
steps, so a shorter run keeps its shape.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from calib.zeroq import ZeroQSampler
from gdfq_export.baselines.published_finetune import published_finetune, steps_of
from gdfq_export.baselines.published_gdfq import PublishedGdfq
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs.image_source import require_consistent
from gdfq_export.jobs.quantize import plan_only
from gdfq_export.recipe import PublishedFineTune, Recipe
from gdfq_export.simulator import Simulator

__all__ = ["Cut", "cut_to_budget", "published_seconds", "steps_within"]

_TIMED = 3
_SPARE = 0.97  # of what is left; the rest is for freezing and writing the file


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """How a schedule was cut: steps it has as published, steps it got, seconds that one took when it was timed."""

    published_steps: int
    steps: int
    seconds_per_step: float


def cut_to_budget(
    recipe: Recipe, model: FloatModel, left: Callable[[], float], device: str
) -> tuple[Recipe, Cut | None]:
    """The recipe with as many steps as fit into the seconds that `left` gives, and what was cut.

    Recipes of other methods come back as they are, and so does one whose steps all fit.

    Raises:
        InputError: the method cannot work with this network.
    """
    if recipe.tuning.published is None and recipe.data.method != "zeroq":
        return recipe, None
    require_consistent(model, recipe, given=False)
    if recipe.tuning.published is not None:
        settings, fine_tune = recipe.data.published, recipe.tuning.published
        generator, full = _time_gdfq(recipe, model, device)
        steps = min(settings.steps, steps_within(_SPARE * left(), generator, full, fine_tune))
        cut = Cut(published_steps=settings.steps, steps=steps, seconds_per_step=full)
        return _with_data(recipe, published=settings.model_copy(update={"steps": steps})), cut
    zeroq = recipe.data.zeroq
    seconds = _time_zeroq(recipe, model, device)
    steps = min(zeroq.steps, max(1, int(_SPARE * left() / seconds)))
    cut = Cut(published_steps=zeroq.steps, steps=steps, seconds_per_step=seconds)
    return _with_data(recipe, zeroq=zeroq.model_copy(update={"steps": steps})), cut


def published_seconds(steps: int, generator: float, full: float, settings: PublishedFineTune) -> float:
    """Seconds of a run of `steps`: in the warm-up only the generator is trained, once ranges are no longer followed."""
    alone = max(0, steps_of(settings.warmup, steps) - steps_of(settings.followed, steps))
    return alone * generator + (steps - alone) * full


def steps_within(seconds: float, generator: float, full: float, settings: PublishedFineTune) -> int:
    """The most steps, at least 1, that take no more than `seconds`; a step takes `full` seconds, or `generator`."""
    fit, beyond = 1, 2 + int(seconds / min(generator, full))
    while beyond - fit > 1:
        middle = (fit + beyond) // 2
        if published_seconds(middle, generator, full, settings) <= seconds:
            fit = middle
        else:
            beyond = middle
    return fit


def _time_gdfq(recipe: Recipe, model: FloatModel, device: str) -> tuple[float, float]:
    """Seconds of a step of the generator alone, and of one of generator and network, on copies that are thrown away."""
    assert recipe.tuning.published is not None
    settings = recipe.data.published.model_copy(update={"steps": 1 + _TIMED}).settings()
    simulator = Simulator(model.folded, plan_only(model, recipe), logits=model.logits_name).to(device)
    trainer = PublishedGdfq(model.teacher, model.input_spec, model.num_classes, settings, 0, device)
    clock = _Clock()
    published_finetune(simulator, trainer, recipe.tuning.published, on_step=clock)
    full = median(clock.seconds[1:])
    alone = _Clock()
    trainer.step()
    alone(1, 1)
    return min(full, *alone.seconds), full


def _time_zeroq(recipe: Recipe, model: FloatModel, device: str) -> float:
    """Seconds of a step on all batches of a draw."""
    clock = _Clock()
    images = recipe.for_input(model.input_spec.shape).calibration.images
    short = recipe.data.zeroq.model_copy(update={"steps": 1 + _TIMED}).settings()
    sampler = ZeroQSampler(model.teacher, model.input_spec, model.num_classes, short, 0, device, on_step=clock)
    batch = min(images, short.batch)
    sampler.draw(batch, batch)
    return median(clock.seconds[1:]) * -(-images // batch)


class _Clock:
    """Keeps the seconds between calls, the first counted from its making."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._last = time.perf_counter()

    def __call__(self, done: int, total: int, facts: Mapping[str, float] | None = None) -> None:
        del done, total, facts
        now = time.perf_counter()
        self.seconds.append(now - self._last)
        self._last = now


def _with_data(recipe: Recipe, **sections: Any) -> Recipe:
    return recipe.model_copy(update={"data": recipe.data.model_copy(update=sections)})
