from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from calib import BatchNormTap, InputSpec, NoiseSampler, RefinedSampler, RefinementSettings, Teacher, bns_loss
from calib.aim import ClassAim
from calib.refinement import total_variation
from tests.calib.tiny_teacher import CLASSES, SPEC, teacher_of, tiny_teacher

SETTINGS = RefinementSettings(steps=60, batch=16, learning_rate=0.02, bns_weight=10.0, variation_weight=1.0)


def refined(
    settings: RefinementSettings = SETTINGS,
    *,
    teacher: nn.Module | None = None,
    seed: int = 0,
    sampler: NoiseSampler | None = None,
) -> RefinedSampler:
    return RefinedSampler(teacher_of(teacher or tiny_teacher()), settings, start=sampler, seed=seed)


def errors(images: Tensor, labels: Tensor) -> tuple[float, float]:
    teacher = tiny_teacher()
    with BatchNormTap(teacher) as tap:
        return functional.cross_entropy(teacher(images), labels).item(), bns_loss(tap).item()


def test_refinement_lowers_cross_entropy_and_statistics_and_teaches_the_labels() -> None:
    images, labels = refined().draw(32, 8)
    start, start_labels = refined(replace(SETTINGS, steps=0)).draw(32, 8)
    assert torch.equal(labels, start_labels)
    before, after = errors(start, labels), errors(images, labels)
    assert after[0] < before[0] / 2 and after[1] < before[1] / 2
    assert (tiny_teacher()(images).argmax(1) == labels).float().mean() > 0.9


def test_each_weight_pulls_its_own_way() -> None:
    images, _ = refined().draw(16, 16)
    smoother, _ = refined(replace(SETTINGS, variation_weight=100.0)).draw(16, 16)
    assert total_variation(smoother) < total_variation(images) / 2
    careless, labels = refined(replace(SETTINGS, bns_weight=0.0)).draw(16, 16)
    assert errors(careless, labels)[1] > 2 * errors(images, labels)[1]


@pytest.mark.parametrize("steps", [0, 8])
def test_images_stay_inside_the_range(steps: int) -> None:
    images, _ = refined(replace(SETTINGS, steps=steps, learning_rate=1.0)).draw(16, 16)
    low, high = torch.tensor(SPEC.low).reshape(3, 1, 1), torch.tensor(SPEC.high).reshape(3, 1, 1)
    assert images.min() < images.max() and bool((images >= low).all() and (images <= high).all())


def test_same_seed_same_bytes_and_consecutive_draws_differ() -> None:
    short = replace(SETTINGS, steps=4)
    first, again = refined(short, seed=3), refined(short, seed=3)
    draws = [first.draw(10, 4), again.draw(10, 4), first.draw(10, 4), refined(short, seed=4).draw(10, 4)]
    assert torch.equal(draws[0][0], draws[1][0]) and torch.equal(draws[0][1], draws[1][1])
    assert not torch.equal(draws[0][0], draws[2][0]) and not torch.equal(draws[0][0], draws[3][0])


def test_exactly_what_is_asked_for_is_made_in_equal_batches() -> None:
    made: list[int] = []
    steps: list[tuple[int, int]] = []
    sampler = refined(replace(SETTINGS, steps=3), teacher=Counting(tiny_teacher(), made))
    images, labels = sampler.draw(17, 64, lambda done, total, facts: steps.append((done, total)))
    assert images.shape == (17, 3, 12, 12) and images.dtype == torch.float32 and images.is_contiguous()
    assert labels.dtype == torch.int64 and not images.requires_grad
    assert made == [9] * 3 + [8] * 3
    assert steps == [(done, 6) for done in range(1, 7)]
    counts = torch.bincount(labels, minlength=CLASSES)
    assert counts.max() - counts.min() <= 1


def test_starting_images_and_labels_are_the_wrapped_samplers() -> None:
    start, labels = NoiseSampler(SPEC, CLASSES, 5).draw(6, 6)
    same = refined(replace(SETTINGS, steps=0), sampler=NoiseSampler(SPEC, CLASSES, 5))
    images, same_labels = same.draw(6, 6)
    torch.testing.assert_close(images, start)
    assert torch.equal(labels, same_labels)
    assert same.source == "noise+refinement" and refined().source == "refined noise"
    moved, _ = refined(replace(SETTINGS, steps=5), sampler=NoiseSampler(SPEC, CLASSES, 5)).draw(6, 6)
    assert not torch.allclose(moved, start)


def test_a_teacher_without_batch_norm_is_refined_by_its_labels() -> None:
    teacher, facts = tiny_teacher(batch_norm=False), []
    sampler = refined(teacher=teacher)
    images, labels = sampler.draw(16, 16, lambda done, total, seen: facts.append(dict(seen)))
    assert "bns" not in facts[0] and facts[-1]["cross_entropy"] < facts[0]["cross_entropy"]
    assert (teacher(images).argmax(1) == labels).float().mean() > 0.9


def test_refinement_disturbs_neither_the_teacher_nor_the_global_random_state() -> None:
    teacher = tiny_teacher().requires_grad_(True).train()
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    with torch.no_grad():
        refined(replace(SETTINGS, steps=2), teacher=teacher).draw(4, 4)
    assert torch.equal(torch.rand(1), expected)
    assert teacher.training and all(p.requires_grad and p.grad is None for p in teacher.parameters())
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())


def test_images_are_rolled_by_at_most_a_fourteenth_of_the_side() -> None:
    spec = InputSpec(shape=(1, 28, 1), scale=1.0, mean=(0.0,), std=(1.0,))
    sampler = RefinedSampler(Teacher(network=nn.Identity(), input_spec=spec, aim=ClassAim(2)), SETTINGS)
    shifts = {sampler._shift((28, 1)) for _ in range(200)}
    assert shifts == {(rows, 0) for rows in range(-2, 3)}


def test_a_loss_that_is_not_finite_is_refused() -> None:
    class Broken(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.flatten(1)[:, :CLASSES] * float("nan")

    with pytest.raises(FloatingPointError, match="step 1"):
        refined(teacher=Broken()).draw(2, 2)


@pytest.mark.parametrize("change", [{"steps": -1}, {"batch": 0}, {"learning_rate": float("nan")}, {"bns_weight": -1.0}])
def test_impossible_settings_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(change))} is"):
        replace(SETTINGS, **change)


class Counting(nn.Module):
    def __init__(self, teacher: nn.Module, made: list[int]) -> None:
        super().__init__()
        self.teacher = teacher
        self.__dict__["made"] = made

    def __deepcopy__(self, memo: dict[int, object]) -> Counting:
        return Counting(self.teacher, self.made)

    def forward(self, images: Tensor) -> Tensor:
        self.made.append(len(images))
        return self.teacher(images)


class FixedSize(nn.Module):
    """A teacher that states the size of its images, as an exported Reshape may."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = tiny_teacher()

    def forward(self, images: Tensor) -> Tensor:
        return self.inner(images.reshape(len(images), *SPEC.shape))


@pytest.mark.parametrize(("teacher", "steps"), [(tiny_teacher, 60 + 8), (FixedSize, 60 // 2 + 8)])
def test_coarse_steps_come_first_or_are_taken_at_full_size(teacher: type[nn.Module], steps: int) -> None:
    counted: list[tuple[int, int]] = []
    settings = replace(SETTINGS, coarse_steps=60, steps=8)
    images, labels = refined(settings, teacher=teacher()).draw(
        16, 16, lambda done, total, facts: counted.append((done, total))
    )
    assert counted == [(step + 1, steps) for step in range(steps)]
    assert tuple(images.shape[1:]) == SPEC.shape
    start, _ = refined(replace(SETTINGS, steps=0)).draw(16, 16)
    before, after = errors(start, labels), errors(images, labels)
    assert after[0] < before[0] / 2 and after[1] < before[1]


def test_coarse_steps_alone_lower_the_variation_between_neighbours() -> None:
    coarse, _ = refined(replace(SETTINGS, coarse_steps=60, steps=0)).draw(16, 16)
    fine, _ = refined(replace(SETTINGS, steps=60)).draw(16, 16)
    assert total_variation(coarse) < total_variation(fine)
