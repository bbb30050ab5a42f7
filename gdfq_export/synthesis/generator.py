"""`data.method: gdfq`: a conditional generator is trained on the network, then images are drawn from it."""

from __future__ import annotations

from calib.gdfq import GdfqSampler, GeneratorTraining, train_gdfq
from gdfq_export.support.clocks.step_clock import StepClock
from gdfq_export.support.progress import Progress
from gdfq_export.synthesis.method import Method, Samplers, SynthesisInputs
from gdfq_export.synthesis.stretched_images import StretchedSampler

_SECTION = "generator"
_TIMED_STEPS = 3  # the first is not counted


def train_generator(inputs: SynthesisInputs, progress: Progress) -> GdfqSampler:
    """Train the generator of `data.generator`.

    Raises:
        InputError: the training diverged.
    """
    settings = GeneratorTraining(**inputs.recipe.data.generator.model_dump())
    name = "train the generator"
    with progress.phase(name) as phase:
        try:
            return train_gdfq(
                inputs.teacher,
                settings,
                seed=inputs.seed,
                device=inputs.device,
                on_step=phase,
                checkpoint=progress.checkpoints.of(name),
                processes=progress.processes,
            )
        except FloatingPointError as error:
            raise inputs.diverged(_SECTION) from error


def generator_step(inputs: SynthesisInputs) -> float:
    """Seconds of a training step on whole images, measured on a generator that is thrown away."""
    section = inputs.recipe.data.generator.model_copy(update={"steps": _TIMED_STEPS, "crop_fraction": 0.0})
    clock = StepClock()
    train_gdfq(inputs.teacher, GeneratorTraining(**section.model_dump()), device=inputs.device, on_step=clock)
    return clock.shortest


def _make(inputs: SynthesisInputs, progress: Progress) -> Samplers:
    sampler = train_generator(inputs, progress)
    if not inputs.model.stand_ins or inputs.teacher.aim.conditions == 1:
        return Samplers(tuning=sampler, evaluation=sampler)
    return Samplers(tuning=StretchedSampler(sampler, inputs.teacher, inputs.device), evaluation=sampler)


GDFQ = Method(make=_make, section=_SECTION, generator_step=generator_step)
