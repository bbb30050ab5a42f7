"""`data.method: refined` and `gdfq-refined`: pixels are optimized until the network recognises the image.

`refined` starts from dead leaves and pink noise, `gdfq-refined` from a trained generator's images. The generator also
draws the fresh images that the result is compared on: they cost nothing.
"""

from __future__ import annotations

from calib.priors.starting_images import starting_images
from calib.refinement import RefinedSampler, RefinementSettings
from calib.samplers import NoiseSampler, Sampler
from gdfq_export.support.clocks.step_clock import StepClock
from gdfq_export.support.progress import Progress
from gdfq_export.synthesis.generator import generator_step, train_generator
from gdfq_export.synthesis.method import Method, Samplers, SynthesisInputs

_SECTION = "refinement"
_TIMED_STEPS = 3  # the first is not counted


def _refined(inputs: SynthesisInputs, start: Sampler, progress: Progress) -> RefinedSampler:
    return RefinedSampler(
        inputs.teacher,
        RefinementSettings(**inputs.recipe.data.refinement.model_dump()),
        start=start,
        seed=inputs.seed,
        device=inputs.device,
        checkpoints=progress.checkpoints,
        processes=progress.processes,
    )


def _make_refined(inputs: SynthesisInputs, progress: Progress) -> Samplers:
    model = inputs.model
    start = starting_images(model.input_spec, inputs.teacher.aim.conditions, inputs.seed, pages=model.stand_ins)
    sampler = _refined(inputs, start, progress)
    return Samplers(tuning=sampler, evaluation=sampler)


def _make_gdfq_refined(inputs: SynthesisInputs, progress: Progress) -> Samplers:
    generator = train_generator(inputs, progress)
    return Samplers(tuning=_refined(inputs, generator, progress), evaluation=generator)


def refinement_step(inputs: SynthesisInputs) -> float:
    """Seconds of a step on a whole batch, measured on images that are thrown away."""
    section = inputs.recipe.data.refinement
    settings = RefinementSettings(**section.model_copy(update={"steps": _TIMED_STEPS, "coarse_steps": 0}).model_dump())
    noise = NoiseSampler(inputs.model.input_spec, inputs.teacher.aim.conditions)
    clock = StepClock()
    sampler = RefinedSampler(inputs.teacher, settings, start=noise, device=inputs.device)
    sampler.draw(section.batch, section.batch, clock)
    return clock.shortest


REFINED = Method(make=_make_refined, section=_SECTION, refinement_step=refinement_step)
GDFQ_REFINED = Method(
    make=_make_gdfq_refined, section=_SECTION, generator_step=generator_step, refinement_step=refinement_step
)
