"""What a run's images begin as, and what they stay where nobody optimises them."""

from __future__ import annotations

from calib.input_spec import IMAGE_RANK, InputSpec
from calib.joined_inputs import JoinedSampler
from calib.priors.full_contrast import FullContrastSampler
from calib.priors.prior_sampler import prior_sampler
from calib.samplers import Sampler


def starting_images(input_spec: InputSpec, conditions: int = 1, seed: int = 0) -> Sampler:
    """Give `prior_sampler`'s images, with full contrast among them where the network has no classes.

    Such a network may well see pages and screens. Several inputs: each its own.
    """
    if input_spec.by_name:
        parts = enumerate(input_spec.by_name.values())
        return JoinedSampler([starting_images(part, conditions, (seed + index) % 2**32) for index, part in parts])
    images = prior_sampler(input_spec, conditions, seed)
    return (
        FullContrastSampler(images, input_spec) if conditions == 1 and len(input_spec.shape) == IMAGE_RANK else images
    )
