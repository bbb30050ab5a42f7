"""Inputs drawn side by side: each as it is drawn alone, and no two alike."""

from __future__ import annotations

import torch

from calib import InputSpec, JoinedInputs, JoinedSampler, NoiseSampler
from calib.priors.prior_sampler import prior_sampler

IMAGE = InputSpec(shape=(1, 6, 6), scale=255.0, mean=(0.5,), std=(0.25,))
VECTOR = InputSpec(shape=(4,), scale=255.0, mean=(0.5,) * 4, std=(0.25,) * 4)


def test_each_input_is_drawn_as_it_is_alone() -> None:
    drawn, labels = JoinedSampler([NoiseSampler(IMAGE, 3, 1), NoiseSampler(VECTOR, 3, 2)]).draw(5, 2)
    image, own_labels = NoiseSampler(IMAGE, 3, 1).draw(5, 2)
    vector, _ = NoiseSampler(VECTOR, 3, 2).draw(5, 2)
    assert torch.equal(drawn, torch.cat([image.flatten(1), vector], dim=1)) and torch.equal(labels, own_labels)


def test_two_inputs_of_one_shape_get_different_images() -> None:
    joined = JoinedInputs.of({"left": IMAGE, "right": IMAGE})
    sampler = prior_sampler(joined)
    left, right = joined.split(sampler.draw(4, 4)[0])
    assert left.shape == right.shape == (4, 1, 6, 6) and not torch.equal(left, right)
    assert sampler.source == prior_sampler(IMAGE).source
