from __future__ import annotations

import numpy as np
import torch

from calib.input_spec import InputSpec
from calib.priors.dead_leaves import DeadLeavesSampler
from calib.priors.pink_noise import PinkNoiseSampler
from calib.priors.prior_sampler import prior_sampler


def spec_of(*shape: int) -> InputSpec:
    return InputSpec(shape=shape, scale=255.0, mean=(0.5,) * shape[0], std=(0.25,) * shape[0])


def test_images_alternate_between_leaves_and_pink_noise() -> None:
    spec = spec_of(3, 16, 16)
    images, labels = prior_sampler(spec, 5, seed=2).draw(6, 6)
    assert torch.equal(images[::2], DeadLeavesSampler(spec, 5, 2).draw(3, 3)[0])
    assert torch.equal(images[1::2], PinkNoiseSampler(spec, 5, 2).draw(3, 3)[0])
    assert labels.shape == (6,) and labels.max() < 5


def test_leaves_are_laid_where_they_reach() -> None:
    """Only the part of an image is computed that a leaf can cover; no leaf is cut off by that."""
    spec = spec_of(1, 24, 40)
    first = DeadLeavesSampler(spec, 1, 0)
    for _ in range(200):
        box, leaf = first._leaf(*np.mgrid[0:24, 0:40].astype(np.float32))
        edges = (leaf[0], leaf[-1], leaf[:, 0], leaf[:, -1]) if leaf.size else ()
        inside = (box[0].start > 0, box[0].stop < 24, box[1].start > 0, box[1].stop < 40)
        assert not any(edge.any() for edge, within in zip(edges, inside, strict=False) if within)
