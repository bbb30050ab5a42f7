"""What a run's images begin as, and what they stay where nobody optimises them."""

from __future__ import annotations

import math

from calib.input_spec import IMAGE_RANK, InputSpec
from calib.joined_inputs import JoinedSampler
from calib.priors.full_contrast import FullContrastSampler
from calib.priors.printed_pages import PrintedPageSampler
from calib.priors.prior_sampler import prior_sampler
from calib.samplers import Sampler

_LEGIBLE = 128 * 128  # pixels, from which on letters are


def starting_images(input_spec: InputSpec, conditions: int = 1, seed: int = 0, *, pages: bool = False) -> Sampler:
    """Give `prior_sampler`'s images, with full contrast among them where the network has no classes.

    Such a network may well see pages and screens. Several inputs: each its own.

    Args:
        input_spec: shape and preprocessing of the input.
        conditions: classes to draw labels of.
        seed: of the images.
        pages: print pages on the images of full contrast, for a network of which nothing but images can tell what its
            layers answer to what it was made for.
    """
    if input_spec.by_name:
        parts = enumerate(input_spec.by_name.values())
        return JoinedSampler(
            [starting_images(part, conditions, (seed + index) % 2**32, pages=pages) for index, part in parts]
        )
    images = prior_sampler(input_spec, conditions, seed)
    if conditions > 1 or len(input_spec.shape) != IMAGE_RANK:
        return images
    images = FullContrastSampler(images, input_spec)
    printed = pages and math.prod(input_spec.shape[1:]) >= _LEGIBLE
    return PrintedPageSampler(images, input_spec, seed) if printed else images
