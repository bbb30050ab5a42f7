from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from calib import InputSpec
from gdfq_export.baselines.published_generator import LATENT, LabelInLatent, LabelInNorms, make_published_generator


def spec(side: int, channels: int = 3, width: int | None = None) -> InputSpec:
    shape = (channels, side, width or side)
    return InputSpec(shape=shape, scale=255.0, mean=(0.5,) * channels, std=(0.25,) * channels)


def multiplications(generator: nn.Module) -> int:
    """Multiply-accumulates of one image, counted layer by layer."""
    counted = 0

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal counted
        counted += output[0].numel() * layer.get_parameter("weight")[0].numel()

    for layer in generator.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    generator(torch.randn(2, LATENT), torch.tensor([0, 1]))
    return counted


def test_parameters_and_multiplications_are_the_published_ones() -> None:
    small, large = make_published_generator(100, spec(32)), make_published_generator(1000, spec(224))
    convolutions = (128 * 128 * 9 + 128) + (128 * 64 * 9 + 64) + (64 * 3 * 9 + 3)
    norms = 2 * (128 + 128 + 64)
    assert isinstance(small, LabelInLatent) and isinstance(large, LabelInNorms)
    assert sum(map(torch.Tensor.numel, small.parameters())) == 100 * 100 + 101 * 128 * 8 * 8 + norms + convolutions
    assert sum(map(torch.Tensor.numel, large.parameters())) == 101 * 128 * 56 * 56 + 1000 * norms + convolutions
    assert multiplications(small) == 100 * 8192 + 256 * 128 * 128 * 9 + 1024 * 128 * 64 * 9 + 1024 * 64 * 3 * 9


@pytest.mark.parametrize(("side", "width", "channels"), [(8, 8, 1), (28, 28, 1), (30, 33, 3), (64, 70, 3)])
def test_images_have_the_shape_and_are_standardised_whatever_the_size(side: int, width: int, channels: int) -> None:
    generator = make_published_generator(5, spec(side, channels, width))
    images = generator(torch.randn(16, LATENT), torch.arange(16) % 5)
    assert images.shape == (16, channels, side, width)
    deviation, mean = torch.std_mean(images, dim=(0, 2, 3))
    torch.testing.assert_close(mean, torch.zeros(channels), atol=1e-4, rtol=0)
    torch.testing.assert_close(deviation, torch.ones(channels), atol=2e-2, rtol=0)


def test_raw_pixels_get_images_in_the_middle_of_their_range() -> None:
    raw = InputSpec(shape=(1, 16, 16), scale=1.0, mean=(0.0,), std=(1.0,))
    images = make_published_generator(5, raw)(torch.randn(16, LATENT), torch.arange(16) % 5)
    assert images.mean().item() == pytest.approx(127.5, abs=1) and images.std().item() == pytest.approx(64, rel=0.1)


@pytest.mark.parametrize("side", [16, 64])
def test_the_label_decides_what_is_made_once_the_tables_differ(side: int) -> None:
    generator = make_published_generator(3, spec(side)).eval()
    if isinstance(generator, LabelInNorms):
        same = generator(torch.ones(2, LATENT), torch.tensor([0, 1]))
        assert torch.equal(same[0], same[1]), "as published, all classes start with gain 1 and bias 0"
        for table in generator.gains:
            nn.init.normal_(table.get_parameter("weight"))
    images = generator(torch.ones(2, LATENT), torch.tensor([0, 1]))
    assert (images[0] - images[1]).abs().mean() > 0.01
