from __future__ import annotations

import torch

from calib import DeadLeavesSampler, InputSpec
from calib.refinement import total_variation

SPEC = InputSpec(shape=(3, 24, 40), scale=255.0, mean=(0.5, 0.4, 0.3), std=(0.25, 0.2, 0.3))


def test_images_are_inside_the_range_and_use_most_of_it() -> None:
    images, labels = DeadLeavesSampler(SPEC, 4, seed=0).draw(12, 5)
    assert images.shape == (12, 3, 24, 40) and images.dtype == torch.float32 and labels.dtype == torch.int64
    for channel, (low, high) in enumerate(zip(SPEC.low, SPEC.high, strict=True)):
        values = images[:, channel]
        assert low - 1e-5 <= values.min() and values.max() <= high + 1e-5
        assert values.max() - values.min() > 0.7 * (high - low)
    assert set(labels.tolist()) <= {0, 1, 2, 3}


def test_same_seed_same_images_and_every_draw_is_fresh() -> None:
    first, again = DeadLeavesSampler(SPEC, 4, seed=3), DeadLeavesSampler(SPEC, 4, seed=3)
    images, _ = first.draw(2, 2)
    assert torch.equal(images, again.draw(2, 1)[0])
    assert not torch.equal(images, first.draw(2, 2)[0])


def test_leaves_are_flat_inside_unlike_noise() -> None:
    images, _ = DeadLeavesSampler(SPEC, 4, seed=0).draw(8, 8)
    shuffled = images.flatten(2)[:, :, torch.randperm(24 * 40)].reshape(images.shape)
    assert total_variation(images) < 0.6 * total_variation(shuffled)


def test_tiny_grey_images_work_too() -> None:
    spec = InputSpec(shape=(1, 3, 2), scale=1.0, mean=(0.0,), std=(1.0,))
    images, _ = DeadLeavesSampler(spec, 2, seed=0).draw(3, 3)
    assert images.shape == (3, 1, 3, 2) and torch.isfinite(images).all()


def test_edges_are_spread_over_pixels_and_contrast_is_lowered() -> None:
    images, _ = DeadLeavesSampler(SPEC, 4, seed=0).draw(4, 4)
    steps = images.diff(dim=3).abs().amax(dim=(0, 2, 3))
    ranges = torch.tensor(SPEC.high) - torch.tensor(SPEC.low)
    assert (steps < 0.5 * ranges).all()  # a hard edge from black to white is a step of the whole range
