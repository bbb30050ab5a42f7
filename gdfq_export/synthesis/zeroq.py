"""`data.method: zeroq`: ZeroQ's images, distilled from BatchNorm statistics."""

from __future__ import annotations

from collections.abc import Callable

from calib.zeroq import ZeroQSampler, ZeroQSettings
from gdfq_export.recipe import Recipe
from gdfq_export.support.clocks.step_clock import StepClock
from gdfq_export.support.progress import Progress
from gdfq_export.synthesis.method import Cut, Method, Samplers, SynthesisInputs

_TIMED_STEPS = 3
_SPARE = 0.97  # of the seconds left; the rest is for freezing and writing the file


def _make(inputs: SynthesisInputs, progress: Progress) -> Samplers:
    settings = ZeroQSettings(**inputs.recipe.data.zeroq.model_dump())
    sampler = ZeroQSampler(
        inputs.teacher,
        settings,
        seed=inputs.seed,
        device=inputs.device,
        checkpoints=progress.checkpoints,
        processes=progress.processes,
    )
    return Samplers(tuning=sampler, evaluation=sampler)


def _cut(inputs: SynthesisInputs, left: Callable[[], float]) -> tuple[Recipe, Cut]:
    recipe, section = inputs.recipe, inputs.recipe.data.zeroq
    seconds = _step_seconds(inputs)
    steps = min(section.steps, max(1, int(_SPARE * left() / seconds)))
    data = recipe.data.model_copy(update={"zeroq": section.model_copy(update={"steps": steps})})
    cut = Cut(published_steps=section.steps, steps=steps, seconds_per_step=seconds)
    return recipe.model_copy(update={"data": data}), cut


def _step_seconds(inputs: SynthesisInputs) -> float:
    """Seconds of a step on all batches of a draw."""
    section = inputs.recipe.data.zeroq.model_copy(update={"steps": 1 + _TIMED_STEPS})
    images = inputs.recipe.for_input(inputs.model.input_spec.extent).calibration.images
    sampler = ZeroQSampler(inputs.teacher, ZeroQSettings(**section.model_dump()), device=inputs.device)
    batch = min(images, section.batch)
    clock = StepClock()
    sampler.draw(batch, batch, clock)
    return clock.median * -(-images // batch)


ZEROQ = Method(make=_make, section="zeroq", needs_batch_norm=True, ranks=(2, 3, 4), cut=_cut)
