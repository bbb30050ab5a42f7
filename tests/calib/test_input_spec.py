from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calib import InputSpec

IMAGENET = InputSpec(shape=(3, 4, 5), scale=255.0, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
RAW = InputSpec(shape=(1, 4, 5), scale=1.0, mean=(0.0,), std=(1.0,))


@given(
    scale=st.sampled_from([1.0, 127.5, 255.0]),
    mean=st.floats(-1.0, 2.0),
    std=st.floats(0.05, 80.0),
    seed=st.integers(0, 1000),
)
def test_pixels_survive_normalisation(scale: float, mean: float, std: float, seed: int) -> None:
    spec = InputSpec(shape=(2, 3, 4), scale=scale, mean=(mean, 0.0), std=(std, 1.0))
    pixels = np.random.default_rng(seed).integers(0, 256, (5, 3, 4, 2), dtype=np.uint8)
    images = spec.normalize(pixels)
    assert images.shape == (5, 2, 3, 4) and images.dtype == np.float32 and images.flags.c_contiguous
    assert np.array_equal(spec.to_pixels(images), pixels)


def test_low_and_high_are_the_images_of_0_and_255() -> None:
    pixels = np.zeros((2, 4, 5, 3), dtype=np.uint8)
    pixels[1] = 255
    images = IMAGENET.normalize(pixels)
    np.testing.assert_allclose(images[0, :, 0, 0], IMAGENET.low, rtol=1e-6)
    np.testing.assert_allclose(images[1, :, 0, 0], IMAGENET.high, rtol=1e-6)


def test_to_pixels_clips() -> None:
    outside = np.stack([np.full((1, 4, 5), -3.0), np.full((1, 4, 5), 300.0)]).astype(np.float32)
    assert RAW.to_pixels(outside)[:, 0, 0, 0].tolist() == [0, 255]


def test_centre_and_spread_follow_the_preprocessing() -> None:
    assert IMAGENET.centre == (0.0, 0.0, 0.0) and IMAGENET.spread == (1.0, 1.0, 1.0)
    assert RAW.centre == (127.5,) and RAW.spread == (63.75,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": (3, 0, 4)}, "input shape"),
        ({"mean": (0.0,)}, "mean is"),
        ({"std": (1.0, 0.0, 1.0)}, "positive"),
        ({"scale": 0.0}, "scale is"),
        ({"mean": (0.0, float("nan"), 0.0)}, "finite"),
    ],
)
def test_impossible_preprocessing_is_refused(change: dict, message: str) -> None:
    good = {"shape": (3, 4, 4), "scale": 1.0, "mean": (0.0,) * 3, "std": (1.0,) * 3}
    with pytest.raises(ValueError, match=message):
        InputSpec(**{**good, **change})


@pytest.mark.parametrize("shape", [(3,), (3, 7), (3, 2, 4, 5)], ids=["vector", "signal", "volume"])
def test_other_ranks_have_their_channels_first(shape: tuple[int, ...]) -> None:
    spec = InputSpec(shape=shape, scale=255.0, mean=(0.1, 0.5, 0.2), std=(0.2, 0.3, 0.4))
    pixels = np.random.default_rng(0).integers(0, 256, (4, *shape[1:], 3), dtype=np.uint8)
    images = spec.normalize(pixels)
    assert images.shape == (4, *shape) and np.array_equal(spec.to_pixels(images), pixels)
    assert spec.plane(spec.low).shape == (1, 3, *[1] * (len(shape) - 1))
