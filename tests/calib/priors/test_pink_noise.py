from __future__ import annotations

import torch

from calib import AlternatingSampler, InputSpec, NoiseSampler, PinkNoiseSampler

SPEC = InputSpec(shape=(3, 64, 96), scale=255.0, mean=(0.5, 0.4, 0.3), std=(0.25, 0.2, 0.3))


def test_amplitudes_fall_as_one_over_the_frequency() -> None:
    images, _ = PinkNoiseSampler(SPEC, 4, seed=0).draw(64, 16)
    square = images[:, :, :, 16:80]  # 64 x 64, so that both axes have the same frequencies
    amplitude = torch.fft.rfft2(square - square.mean(dim=(2, 3), keepdim=True)).abs().mean(dim=(0, 1))
    ratio = float(amplitude[4, 4] / amplitude[16, 16])
    assert 3.0 < ratio < 5.0  # four times the frequency


def test_the_noise_has_the_centre_and_spread_of_the_input_and_its_range() -> None:
    images, labels = PinkNoiseSampler(SPEC, 4, seed=0).draw(64, 16)
    assert images.shape == (64, 3, 64, 96) and set(labels.tolist()) <= {0, 1, 2, 3}
    for channel in range(3):
        values = images[:, channel]
        assert abs(float(values.mean()) - SPEC.centre[channel]) < 0.1 * SPEC.spread[channel]
        assert 0.7 * SPEC.spread[channel] < float(values.std()) < 1.1 * SPEC.spread[channel]
        assert SPEC.low[channel] - 1e-6 <= float(values.min()) and float(values.max()) <= SPEC.high[channel] + 1e-6


def test_the_same_seed_gives_the_same_images_however_they_are_batched_or_alternated() -> None:
    pink, noise = (sampler(SPEC, 4, seed=3).draw(3, 3) for sampler in (PinkNoiseSampler, NoiseSampler))
    mixed = AlternatingSampler(PinkNoiseSampler(SPEC, 4, seed=3), NoiseSampler(SPEC, 4, seed=3))
    images, labels = mixed.draw(5, 2)
    assert mixed.source == "pink noise and noise"
    torch.testing.assert_close(images, torch.stack([pink[0], noise[0]], dim=1).flatten(0, 1)[:5])
    assert images.shape == (5, 3, 64, 96) and labels.shape == (5,)


def test_a_single_pixel_is_an_image_too() -> None:
    spec = InputSpec(shape=(1, 1, 1), scale=1.0, mean=(0.0,), std=(1.0,))
    assert torch.isfinite(PinkNoiseSampler(spec, 2, seed=0).draw(2, 2)[0]).all()
