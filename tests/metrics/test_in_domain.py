"""Images unlike the training data are flagged, with a remedy where one fits; images of its kind are not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from calib.input_spec import InputSpec
from gdfq_export.metrics.in_domain import LIMIT, InDomain, measure_in_domain
from gdfq_export.support.not_measured import NotMeasured

SPEC = InputSpec(shape=(3, 8, 8), scale=255.0, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3))


def pixels(count: int, seed: int) -> np.ndarray:
    """Smooth images [N, 8, 8, 3], of which red is the brightest."""
    random = np.random.default_rng(seed)
    colour = random.normal((150, 100, 60), (40, 30, 20), (count, 1, 1, 3))
    texture = random.normal(0, 15, (count, 8, 8, 1)) + random.normal(0, 5, (count, 8, 8, 3))
    return np.clip(colour + texture, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def teacher() -> nn.Module:
    """Two layers with the statistics of such images."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16, momentum=None), nn.ReLU(), nn.Conv2d(16, 16, 3),
        nn.BatchNorm2d(16, momentum=None), nn.ReLU(),
    )  # fmt: skip
    with torch.no_grad():
        network(torch.from_numpy(SPEC.normalize(pixels(2000, 1))))
    return network.eval()


def checked(teacher: nn.Module, images: np.ndarray) -> InDomain:
    found = measure_in_domain(teacher, SPEC, images, "a.npz")
    assert isinstance(found, InDomain)
    return found


def test_images_of_its_kind_pass(teacher: nn.Module) -> None:
    for seed in range(2, 12):
        found = checked(teacher, SPEC.normalize(pixels(64, seed)))
        assert found.in_domain and found.message == "" and found.remedy == ""
        assert found.distance < LIMIT and found.channels_log_ratio is not None and found.channels_log_ratio < 0


def test_reversed_channels_are_named(teacher: nn.Module) -> None:
    found = checked(teacher, SPEC.normalize(pixels(64, 2)[..., ::-1]))
    assert not found.in_domain
    assert "channels in reverse order" in found.message


@pytest.mark.parametrize(
    ("factor", "remedy"), [(255.0, "with pixels divided by 255"), (1 / 255, "with pixels multiplied by 255")]
)
def test_a_wrong_scale_is_named_with_what_would_fit(teacher: nn.Module, factor: float, remedy: str) -> None:
    mean, std = (np.asarray(values, np.float32).reshape(1, 3, 1, 1) for values in (SPEC.mean, SPEC.std))
    raw = pixels(64, 2).astype(np.float32).transpose(0, 3, 1, 2) / 255 * factor
    found = checked(teacher, ((raw - mean) / std).astype(np.float32))
    assert not found.in_domain and remedy in found.message and "are unlike the network's training data" in found.message


def test_another_domain_is_named_with_its_distance(teacher: nn.Module) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 3), np.uint8)
    found = checked(teacher, SPEC.normalize(noise))
    assert not found.in_domain and found.distance > LIMIT and found.worst_layer
    assert "check --scale, --mean and --std" in found.message


def test_of_many_images_some_are_drawn_from_all(teacher: nn.Module) -> None:
    images = SPEC.normalize(pixels(640, 2))
    images[320:] = SPEC.normalize(np.random.default_rng(0).integers(0, 256, (320, 8, 8, 3), np.uint8))
    found = checked(teacher, images)
    assert found.images == 64 and not found.in_domain


def test_fewer_images_have_a_wider_limit_and_very_few_none(teacher: nn.Module) -> None:
    assert checked(teacher, SPEC.normalize(pixels(32, 2))).limit == pytest.approx(2 * LIMIT)
    assert checked(teacher, SPEC.normalize(pixels(20, 2))).channels_log_ratio is None
    found = measure_in_domain(teacher, SPEC, SPEC.normalize(pixels(15, 2)), "a.npz")
    assert isinstance(found, NotMeasured) and "15 images are too few" in found.reason


@pytest.mark.parametrize("network", [nn.Conv2d(3, 4, 3), nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))])
def test_without_trained_statistics_there_is_nothing_to_compare_with(network: nn.Module) -> None:
    found = measure_in_domain(network.eval(), SPEC, SPEC.normalize(pixels(64, 2)), "a.npz")
    assert isinstance(found, NotMeasured) and "no BatchNorm statistics" in found.reason
