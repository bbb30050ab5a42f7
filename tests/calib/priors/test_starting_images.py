from __future__ import annotations

import torch

from calib.input_spec import InputSpec
from calib.priors.prior_sampler import prior_sampler
from calib.priors.starting_images import starting_images

SPEC = InputSpec(shape=(3, 16, 16), scale=255.0, mean=(0.5,) * 3, std=(0.25,) * 3)


def test_a_network_without_classes_also_gets_images_of_two_colours() -> None:
    images, _ = starting_images(SPEC, 1, seed=3).draw(8, 8)
    colours = [len(image.flatten(1).unique(dim=1).T) for image in images]
    assert sum(count == 2 for count in colours) == 4


def test_a_classifier_gets_priors_as_they_are() -> None:
    images, _ = starting_images(SPEC, 10, seed=3).draw(8, 8)
    assert torch.equal(images, prior_sampler(SPEC, 10, seed=3).draw(8, 8)[0])


def test_signals_have_no_contrast() -> None:
    spec = InputSpec(shape=(2, 32), scale=1.0, mean=(0.0,) * 2, std=(1.0,) * 2)
    images, _ = starting_images(spec, 1, seed=3).draw(4, 4)
    assert torch.equal(images, prior_sampler(spec, 1, seed=3).draw(4, 4)[0])


def test_pages_are_printed_where_letters_are_legible() -> None:
    large = InputSpec(shape=(3, 128, 128), scale=255.0, mean=(0.5,) * 3, std=(0.25,) * 3)
    for spec, printed in ((SPEC, False), (large, True)):
        pages, plain = (starting_images(spec, 1, seed=3, pages=each).draw(4, 4)[0] for each in (True, False))
        assert torch.equal(pages, plain) is not printed
