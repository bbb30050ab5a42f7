from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from calib import BatchNormTap, GeneratorTraining, InputSpec, bns_loss, train_gdfq
from calib.gdfq import balanced_labels, pair_distance
from tests.calib.tiny_teacher import CLASSES, SPEC, teacher_of, tiny_teacher

SETTINGS = GeneratorTraining(
    steps=60,
    batch=16,
    learning_rate=0.01,
    latent=16,
    width=16,
    bns_weight=1.0,
    bns_normalized=True,
    diversity_weight=1.0,
    classes=1000,
    crop_fraction=0.0,
)


def test_training_lowers_the_loss_and_teaches_the_labels() -> None:
    teacher, facts = tiny_teacher(), []
    sampler = train_gdfq(teacher_of(teacher), SETTINGS, on_step=lambda done, total, seen: facts.append(dict(seen)))
    images, labels = sampler.draw(64, 16)
    assert len(facts) == SETTINGS.steps and {"loss", "cross_entropy", "bns", "agreement", "distance"} == set(facts[0])
    assert facts[-1]["bns"] < facts[0]["bns"] / 2
    with BatchNormTap(teacher) as tap:
        agreement = (teacher(images).argmax(1) == labels).float().mean()
        assert bns_loss(tap).item() < facts[0]["bns"]
    assert agreement > 0.8


def test_diversity_weight_spreads_the_images_of_a_class() -> None:
    distances = []
    for weight in (0.0, 3.0):
        sampler = train_gdfq(teacher_of(tiny_teacher()), replace(SETTINGS, diversity_weight=weight))
        images, labels = sampler.draw(64, 64)
        images = torch.cat([images[labels == 0], images[labels == 0].flip(0)])
        distances.append(pair_distance(images, SPEC.plane(SPEC.high) - SPEC.plane(SPEC.low)).mean().item())
    assert distances[1] > 1.5 * distances[0]


def test_same_seed_same_bytes_and_other_seed_other_images() -> None:
    short = replace(SETTINGS, steps=4)
    draws = [train_gdfq(teacher_of(tiny_teacher()), short, seed=seed).draw(10, 4) for seed in (3, 3, 4)]
    assert torch.equal(draws[0][0], draws[1][0]) and torch.equal(draws[0][1], draws[1][1])
    assert not torch.equal(draws[0][0], draws[2][0])


def test_training_disturbs_neither_the_teacher_nor_the_global_random_state() -> None:
    teacher = tiny_teacher().requires_grad_(True).train()
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    train_gdfq(teacher_of(teacher), replace(SETTINGS, steps=2))
    assert torch.equal(torch.rand(1), expected)
    assert teacher.training and all(parameter.requires_grad for parameter in teacher.parameters())
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())


def test_draws_are_fresh_balanced_and_inside_the_range() -> None:
    sampler = train_gdfq(teacher_of(tiny_teacher()), replace(SETTINGS, steps=2))
    (first, labels), (second, _) = sampler.draw(10, 4), sampler.draw(10, 4)
    assert first.shape == (10, 3, 12, 12) and first.dtype == torch.float32 and first.is_contiguous()
    assert labels.dtype == torch.int64 and not first.requires_grad
    assert not torch.equal(first, second)
    assert sorted(labels.bincount(minlength=CLASSES).tolist()) == [2, 2, 3, 3]
    low, high = (torch.tensor(bound).reshape(1, 3, 1, 1) for bound in (SPEC.low, SPEC.high))
    assert (first >= low).all() and (first <= high).all()


def test_teacher_without_batch_norm_is_trained_with_the_image_prior() -> None:
    facts: list[dict[str, float]] = []
    teacher = teacher_of(tiny_teacher(batch_norm=False))
    train_gdfq(teacher, SETTINGS, on_step=lambda done, total, seen: facts.append(dict(seen)))
    assert "bns" not in facts[0]
    assert facts[-1]["prior"] < facts[0]["prior"] and facts[-1]["cross_entropy"] < facts[0]["cross_entropy"]


def test_only_some_classes() -> None:
    sampler = train_gdfq(teacher_of(tiny_teacher()), replace(SETTINGS, steps=1, classes=2))
    assert len(sampler.draw(20, 20)[1].unique()) == 2


@pytest.mark.parametrize(("pooled", "sizes"), [(True, {32, 64}), (False, {64})])
def test_large_images_are_trained_on_crops_where_the_teacher_takes_them(pooled: bool, sizes: set[int]) -> None:
    teacher, seen = tiny_teacher(pooled=pooled, side=64), set()

    class Watched(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = teacher

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            if len(images) == 4:
                seen.add(images.shape[2])
            return self.inner(images)

    spec = InputSpec(shape=(3, 64, 64), scale=SPEC.scale, mean=SPEC.mean, std=SPEC.std)
    train_gdfq(teacher_of(Watched(), spec), replace(SETTINGS, steps=4, batch=4, crop_fraction=0.5))
    assert seen == sizes


def test_a_traced_teacher_that_takes_no_crops_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    teacher = torch.fx.symbolic_trace(tiny_teacher(pooled=False, side=64))
    spec = InputSpec(shape=(3, 64, 64), scale=SPEC.scale, mean=SPEC.mean, std=SPEC.std)
    train_gdfq(teacher_of(teacher, spec), replace(SETTINGS, steps=1, batch=4, crop_fraction=0.5))
    assert capsys.readouterr() == ("", "")


def test_divergence_is_said() -> None:
    teacher = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 12 * 12, CLASSES))
    torch.nn.init.constant_(teacher[1].weight, float("nan"))
    with pytest.raises(FloatingPointError, match="step 1"):
        train_gdfq(teacher_of(teacher), SETTINGS)


@pytest.mark.parametrize(
    "change", [{"batch": 1}, {"latent": 0}, {"learning_rate": float("nan")}, {"crop_fraction": 1.5}, {"classes": 0}]
)
def test_impossible_settings_are_refused(change: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        replace(SETTINGS, **change)


def test_balanced_labels_of_many_classes_repeat_none() -> None:
    labels = balanced_labels(16, torch.arange(1000), torch.Generator().manual_seed(0))
    assert len(labels.unique()) == 16
