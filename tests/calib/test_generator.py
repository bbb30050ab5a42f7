from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from calib import ConditionalGenerator, InputSpec


def spec(channels: int, height: int, width: int) -> InputSpec:
    return InputSpec(shape=(channels, height, width), scale=255.0, mean=(0.3,) * channels, std=(0.2,) * channels)


def multiply_accumulates(generator: ConditionalGenerator, latent: int) -> int:
    total = 0

    def count(module: torch.nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        nonlocal total
        total += output[0].numel() * module.weight[0].numel()

    for module in generator.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            module.register_forward_hook(count)
    generator.eval()(torch.zeros(1, latent), torch.zeros(1, dtype=torch.long))
    return total


@settings(max_examples=25, deadline=None)
@given(channels=st.integers(1, 4), height=st.integers(1, 70), width=st.integers(1, 70), seed=st.integers(0, 99))
def test_any_size_and_always_inside_the_range(channels: int, height: int, width: int, seed: int) -> None:
    torch.manual_seed(seed)
    shape = spec(channels, height, width)
    generator = ConditionalGenerator(5, shape, latent=6, width=8)
    random = torch.Generator().manual_seed(seed)
    images = generator(torch.randn(3, 6) * 30, torch.tensor([0, 4, 2]), random)
    assert images.shape == (3, channels, height, width)
    for channel in range(channels):
        assert images[:, channel].min() >= torch.tensor(shape.low[channel])
        assert images[:, channel].max() <= torch.tensor(shape.high[channel])


@pytest.mark.parametrize(("side", "width", "most"), [(32, 64, 13.5e6), (224, 128, 100e6)])
def test_cost_stays_small(side: int, width: int, most: float) -> None:
    generator = ConditionalGenerator(10, spec(3, side, side), latent=100, width=width)
    assert multiply_accumulates(generator, 100) < most


def test_image_depends_on_latent_label_and_noise() -> None:
    torch.manual_seed(0)
    generator = ConditionalGenerator(5, spec(3, 16, 16), latent=6, width=8).eval()
    z, labels = torch.randn(2, 6), torch.tensor([1, 2])
    images = generator(z, labels)
    assert torch.equal(images, generator(z, labels))
    assert not torch.equal(images, generator(-z, labels))
    assert not torch.equal(images, generator(z, labels + 1))
    assert not torch.equal(images, generator(z, labels, torch.Generator().manual_seed(0)))


def test_window_makes_part_of_the_image() -> None:
    generator = ConditionalGenerator(5, spec(3, 224, 224), latent=6, width=8).eval()
    part = generator(torch.zeros(1, 6), torch.tensor([1]), None, (slice(1, 5), slice(0, 3)))
    assert part.shape == (1, 3, 128, 96)
