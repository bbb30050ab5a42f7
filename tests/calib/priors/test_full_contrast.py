"""Half of the images have two colours, the darkest and the lightest, and the others are as they were."""

from __future__ import annotations

import torch

from calib.input_spec import InputSpec
from calib.priors.dead_leaves import DeadLeavesSampler
from calib.priors.full_contrast import FullContrastSampler

SPEC = InputSpec(shape=(3, 16, 16), scale=255.0, mean=(0.4, 0.5, 0.6), std=(0.25,) * 3)


def test_the_second_and_the_third_of_four_have_full_contrast() -> None:
    plain, _ = DeadLeavesSampler(SPEC, 1, 0).draw(8, 8)
    images, labels = FullContrastSampler(DeadLeavesSampler(SPEC, 1, 0), SPEC).draw(8, 8)
    low, high = SPEC.plane(SPEC.low), SPEC.plane(SPEC.high)
    for index, (image, before) in enumerate(zip(images, plain, strict=True)):
        if index % 4 in (1, 2):
            light, dark = image[None] == high, image[None] == low
            assert bool((light | dark).all()) and 0.1 < float(light.float().mean()) <= 0.5
        else:
            assert torch.equal(image, before)
    assert labels.tolist() == [0] * 8
