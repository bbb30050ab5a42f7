from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from calib import BatchNormTap, bns_loss
from gdfq_export.baselines.published_gdfq import PublishedGdfq, PublishedTraining
from tests.calib.tiny_teacher import SPEC, teacher_of, tiny_teacher

SETTINGS = PublishedTraining(steps=60, batch=16, learning_rate=1e-2, bns_weight=0.1)


def trainer(
    settings: PublishedTraining = SETTINGS, *, teacher: nn.Module | None = None, seed: int = 0
) -> PublishedGdfq:
    return PublishedGdfq(teacher_of(teacher or tiny_teacher()), settings, seed=seed)


def test_training_lowers_the_loss_and_teaches_the_labels() -> None:
    training = trainer()
    facts = [training.step().facts for _ in range(60)]
    first, last = ({name: sum(each[name] for each in part) for name in facts[0]} for part in (facts[:10], facts[-10:]))
    assert last["generator_loss"] < 0.8 * first["generator_loss"]
    assert last["agreement"] > 1.2 * first["agreement"]


def test_a_step_gives_its_images_with_the_teachers_answer_and_the_published_loss() -> None:
    teacher = tiny_teacher()
    made = trainer(replace(SETTINGS, bns_weight=10.0), teacher=teacher).step()
    assert made.images.shape == (16, *SPEC.shape) and not made.images.requires_grad and not made.logits.requires_grad
    with BatchNormTap(teacher) as tap:
        logits = teacher(made.images)
        bns = bns_loss(tap, normalized=False)
    torch.testing.assert_close(made.logits, logits)
    expected = nn.functional.cross_entropy(logits, made.labels) + 10.0 * bns
    assert made.facts["generator_loss"] == pytest.approx(expected.item(), rel=1e-4)


def test_the_rate_falls_to_a_tenth_at_every_quarter() -> None:
    training, rates = trainer(replace(SETTINGS, steps=8)), []
    for _ in range(8):
        rates.append(training._optimizer.param_groups[0]["lr"])
        training.step()
    assert rates == pytest.approx([1e-2] * 2 + [1e-3] * 2 + [1e-4] * 2 + [1e-5] * 2)


def test_a_draw_makes_the_steps_that_are_left_and_only_those() -> None:
    training, steps = trainer(replace(SETTINGS, steps=5)), []
    training.step()
    images, labels = training.draw(20, 4, lambda done, total, facts: steps.append((done, total)))
    assert images.shape == (20, *SPEC.shape) and labels.shape == (20,) and not images.requires_grad
    assert steps == [(2, 5), (3, 5), (4, 5), (5, 5)] and training.images == 5 * 16
    assert not torch.equal(images, training.draw(20, 4)[0])
    assert len(steps) == 4


def test_same_seed_same_bytes_and_nothing_else_is_disturbed() -> None:
    short, teacher = replace(SETTINGS, steps=2), tiny_teacher().requires_grad_(True).train()
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    draws = [trainer(short, teacher=teacher, seed=seed).draw(4, 4)[0] for seed in (3, 3, 4)]
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    assert teacher.training and all(parameter.grad is None for parameter in teacher.parameters())
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())


def test_what_cannot_be_trained_is_refused() -> None:
    with pytest.raises(ValueError, match="BatchNorm"):
        trainer(teacher=tiny_teacher(batch_norm=False))
    with pytest.raises(FloatingPointError, match="step 1"):
        teacher = tiny_teacher()
        nn.init.constant_(teacher[-1].get_parameter("weight"), float("nan"))
        trainer(teacher=teacher).step()


@pytest.mark.parametrize("change", [{"steps": 0}, {"batch": 1}, {"learning_rate": float("nan")}, {"bns_weight": -1.0}])
def test_impossible_settings_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(change))} is"):
        replace(SETTINGS, **change)
