"""Images for a network without data that nobody optimises: what is known of inputs before the network is asked."""

from __future__ import annotations

from calib.input_spec import InputSpec
from calib.joined_inputs import JoinedSampler
from calib.priors.dead_leaves import DeadLeavesSampler
from calib.priors.piecewise_constant import PiecewiseConstantSampler
from calib.priors.pink_noise import PinkNoiseSampler
from calib.samplers import AlternatingSampler, NoiseSampler, Sampler


def prior_sampler(input_spec: InputSpec, conditions: int = 1, seed: int = 0) -> Sampler:
    """Give the sampler for inputs of this rank; labels are drawn from 0 to conditions - 1 and mean nothing.

    Images [C, H, W]: dead leaves and 1/f noise, interleaved. Signals [C, L], volumes [C, D, H, W] and whatever else has
    positions: piecewise constant and 1/f noise. Features [F]: Gaussian noise. Several inputs: each its own.
    """
    if input_spec.by_name:
        parts = enumerate(input_spec.by_name.values())
        return JoinedSampler([prior_sampler(part, conditions, (seed + index) % 2**32) for index, part in parts])
    if len(input_spec.shape) == 1:
        return NoiseSampler(input_spec, conditions, seed)
    edges = DeadLeavesSampler if len(input_spec.shape) == 3 else PiecewiseConstantSampler
    return AlternatingSampler(edges(input_spec, conditions, seed), PinkNoiseSampler(input_spec, conditions, seed))
