"""GDFQ as published in a given time: how many steps of generator and low-bit network fit into it, by timed steps."""

from __future__ import annotations

from gdfq_export.baselines.published_finetune import published_finetune, steps_of
from gdfq_export.baselines.published_gdfq import PublishedGdfq
from gdfq_export.recipe import PublishedFineTune
from gdfq_export.simulator import Simulator
from gdfq_export.support.clocks.step_clock import StepClock


def published_seconds(steps: int, generator: float, full: float, settings: PublishedFineTune) -> float:
    """Seconds of a run of `steps`: in the warm-up only the generator is trained, once ranges are no longer followed."""
    alone = max(0, steps_of(settings.warmup, steps) - steps_of(settings.followed, steps))
    return alone * generator + (steps - alone) * full


def steps_within(seconds: float, generator: float, full: float, settings: PublishedFineTune) -> int:
    """The most steps, at least 1, that take no more than `seconds`; a step takes `full` seconds, or `generator`."""
    fits, too_many = 1, 2 + int(seconds / min(generator, full))
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if published_seconds(middle, generator, full, settings) <= seconds:
            fits = middle
        else:
            too_many = middle
    return fits


def time_published(simulator: Simulator, trainer: PublishedGdfq, settings: PublishedFineTune) -> tuple[float, float]:
    """Seconds of a step of the generator alone, and of one of generator and network; both are used up by it."""
    clock = StepClock()
    published_finetune(simulator, trainer, settings, on_step=clock)
    alone = StepClock()
    trainer.step()
    alone(1, 1)
    return min(clock.median, *alone.seconds), clock.median
