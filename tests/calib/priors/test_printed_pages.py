"""Pages are printed on half of the images, with letters of full contrast, and the same seed prints the same."""

from __future__ import annotations

import torch
from torch import Tensor

from calib.input_spec import InputSpec
from calib.priors.dead_leaves import DeadLeavesSampler
from calib.priors.printed_pages import PrintedPageSampler

SPEC = InputSpec(shape=(3, 160, 128), scale=255.0, mean=(0.4, 0.5, 0.6), std=(0.25,) * 3)


def pages(seed: int) -> Tensor:
    return PrintedPageSampler(DeadLeavesSampler(SPEC, 1, 0), SPEC, seed).draw(8, 8)[0]


def test_the_second_and_the_third_of_four_are_pages() -> None:
    plain, _ = DeadLeavesSampler(SPEC, 1, 0).draw(8, 8)
    low, high = SPEC.plane(SPEC.low), SPEC.plane(SPEC.high)
    for index, (image, before) in enumerate(zip(pages(3), plain, strict=True)):
        if index % 4 in (1, 2):
            paper = ((image[None] == high) | (image[None] == low)).all(dim=1).float().mean()
            assert float(paper) > 0.3 and not torch.equal(image, before)
            assert bool((image[None] >= low).all() and (image[None] <= high).all())
        else:
            assert torch.equal(image, before)


def test_a_seed_prints_the_same_and_another_one_does_not() -> None:
    assert torch.equal(pages(3), pages(3))
    assert not torch.equal(pages(3)[1], pages(4)[1])
