"""`data.method: noise`: Gaussian noise, the baseline of every other method."""

from __future__ import annotations

from calib.samplers import NoiseSampler
from gdfq_export.support.progress import Progress
from gdfq_export.synthesis.method import Method, Samplers, SynthesisInputs


def _make(inputs: SynthesisInputs, progress: Progress) -> Samplers:
    del progress
    sampler = NoiseSampler(inputs.model.input_spec, inputs.teacher.aim.conditions, inputs.seed)
    return Samplers(tuning=sampler, evaluation=sampler)


NOISE = Method(make=_make)
