from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from calib import ZeroQSampler, ZeroQSettings
from tests.calib.tiny_teacher import CLASSES, SPEC, teacher_of, tiny_teacher

SETTINGS = ZeroQSettings(steps=120, batch=16, learning_rate=0.1)


def distilled(settings: ZeroQSettings = SETTINGS, *, teacher: nn.Module | None = None, seed: int = 0) -> ZeroQSampler:
    return ZeroQSampler(teacher_of(teacher or tiny_teacher()), settings, seed=seed)


def image_error(teacher: nn.Module, image: Tensor) -> float:
    """The loss of one image [C, H, W], written out."""
    parts, features = [(image[None], torch.zeros(3), torch.ones(3))], image[None]
    for layer in teacher:
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None and layer.running_var is not None
            parts.append((features, layer.running_mean, layer.running_var.sqrt()))
        features = layer(features)
    squares = [
        (x[0].mean((1, 2)) - mean).square().sum() + (x[0].std((1, 2)) - std).square().sum() for x, mean, std in parts
    ]
    return float(torch.stack(squares).sum())


def test_every_image_comes_to_have_the_statistics_by_itself() -> None:
    teacher = tiny_teacher()
    start, _ = distilled(replace(SETTINGS, steps=0)).draw(8, 8)
    images, labels = distilled().draw(8, 8)
    assert images.shape == (8, *SPEC.shape) and images.dtype == torch.float32 and not images.requires_grad
    assert labels.shape == (8,) and labels.dtype == torch.int64
    for before, after in zip(start, images, strict=True):
        assert image_error(teacher, after) < image_error(teacher, before) / 10


def test_the_loss_is_the_mean_over_images_of_the_written_out_one() -> None:
    losses: list[float] = []
    sampler = distilled(replace(SETTINGS, steps=1))
    sampler.draw(8, 8, lambda done, total, facts: losses.append(facts["loss"]))
    start, _ = distilled(replace(SETTINGS, steps=0)).draw(8, 8)
    teacher = tiny_teacher()
    expected = sum(image_error(teacher, image) for image in start) / 8
    assert losses == pytest.approx([expected], rel=1e-3)


def test_the_start_is_uniform_with_mean_0_and_deviation_1() -> None:
    start, _ = distilled(replace(SETTINGS, steps=0)).draw(64, 64)
    assert start.mean().item() == pytest.approx(0, abs=0.02) and start.std().item() == pytest.approx(1, abs=0.02)
    assert start.abs().max() <= 3**0.5


def test_exactly_what_is_asked_for_is_made_in_equal_batches() -> None:
    steps: list[tuple[int, int]] = []
    sampler = distilled(replace(SETTINGS, steps=3))
    drawn = sampler.draw(17, 64, lambda done, total, facts: steps.append((done, total)))
    assert len(drawn[0]) == 17
    assert steps == [(done, 6) for done in range(1, 7)]


def test_same_seed_same_bytes_and_nothing_else_is_disturbed() -> None:
    short, teacher = replace(SETTINGS, steps=2), tiny_teacher().requires_grad_(True).train()
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    first = distilled(short, teacher=teacher, seed=3)
    with torch.no_grad():
        draws = [first.draw(4, 4)[0], distilled(short, seed=3).draw(4, 4)[0], first.draw(4, 4)[0]]
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    assert teacher.training and all(parameter.grad is None for parameter in teacher.parameters())
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())


def test_a_layer_of_one_position_has_no_deviation_and_makes_no_nan() -> None:
    teacher = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(3, CLASSES)).eval()
    images, _ = distilled(replace(SETTINGS, steps=3), teacher=teacher).draw(2, 2)
    assert torch.isfinite(images).all()


def test_what_cannot_be_distilled_is_refused() -> None:
    with pytest.raises(ValueError, match="BatchNorm"):
        distilled(teacher=tiny_teacher(batch_norm=False))
    teacher = tiny_teacher()
    nn.init.constant_(teacher[0].get_parameter("weight"), float("nan"))
    with pytest.raises(FloatingPointError, match="step 1"):
        distilled(teacher=teacher).draw(2, 2)


@pytest.mark.parametrize("change", [{"steps": -1}, {"batch": 0}, {"learning_rate": float("nan")}])
def test_impossible_settings_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(change))} is"):
        replace(SETTINGS, **change)
