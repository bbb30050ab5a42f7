from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from calib import BatchNormTap, bns_loss, set_statistics
from calib.set_statistics import ClassBalance, SetStatistics, measure_set
from tests.calib.tiny_teacher import CLASSES, SPEC, tiny_teacher

TEACHER = tiny_teacher()


def draw(count: int, seed: int) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(count, *SPEC.shape, generator=random), torch.randint(CLASSES, (count,), generator=random)


def measure(images: Tensor, labels: Tensor, teacher: nn.Module = TEACHER) -> SetStatistics:
    return measure_set(teacher, images, labels, SPEC, "cpu")[0]


def alike(one: SetStatistics, other: SetStatistics) -> None:
    assert one.images == other.images and sum(one.confidence_counts) == one.images
    for name in ("agreement", "confidence", "entropy", "within_class_distance", "bns_distance"):
        mine, theirs = getattr(one, name), getattr(other, name)
        assert mine == theirs or mine == pytest.approx(theirs, rel=1e-4), name
    assert [layer.layer for layer in one.layers] == [layer.layer for layer in other.layers]


@settings(max_examples=10)
@given(count=st.integers(2, 90), seed=st.integers(0, 100))
def test_the_order_of_the_images_does_not_matter(count: int, seed: int) -> None:
    images, labels = draw(count, seed)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    alike(measure(images, labels), measure(images[order], labels[order]))


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_moments_batch_by_batch_are_those_of_one_pass(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = draw(40, seed=0)
    images *= torch.linspace(0.1, 3, 40).reshape(-1, 1, 1, 1)  # so that batches differ
    with BatchNormTap(TEACHER) as tap:
        logits = TEACHER(images)
        whole = bns_loss(tap, normalized=True).item()
    monkeypatch.setattr(set_statistics, "BATCH", batch)
    statistics, answers = measure_set(TEACHER, images, labels, SPEC, "cpu")
    assert statistics.bns_distance == pytest.approx(whole, rel=1e-5)
    torch.testing.assert_close(answers, logits)


def test_layers_carry_their_names_from_input_to_output() -> None:
    assert [layer.layer for layer in measure(*draw(4, seed=0)).layers] == ["1", "4"]


def test_what_the_network_was_trained_on_is_nearer_than_anything_else() -> None:
    images, labels = draw(256, seed=3)
    near, far = measure(images, labels), measure(images * 2 + 1, labels)
    assert near.bns_distance is not None and far.bns_distance is not None
    assert near.bns_distance < 0.05 < far.bns_distance


def test_without_batch_norm_there_is_no_bns_distance() -> None:
    statistics = measure(*draw(4, seed=0), teacher=tiny_teacher(batch_norm=False))
    assert statistics.layers == () and statistics.bns_distance is None


class Certain(nn.Module):
    """Logits of known probabilities, one row an image, taken from the image's first pixels."""

    def forward(self, images: Tensor) -> Tensor:
        return images[:, 0, 0, :CLASSES]


def test_confidence_entropy_and_agreement_by_hand() -> None:
    probabilities = torch.tensor([[0.25] * 4, [0.5, 0.5, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
    images = torch.zeros(3, *SPEC.shape)
    images[:, 0, 0, :CLASSES] = torch.where(probabilities > 0, probabilities.log(), -1000.0)
    statistics = measure(images, torch.tensor([3, 0, 1]), teacher=Certain())
    assert statistics.entropy == pytest.approx((math.log(4) + math.log(2) + 0) / 3)
    assert statistics.confidence == pytest.approx((0.25 + 0.5 + 1) / 3)
    assert statistics.agreement == pytest.approx(2 / 3)
    counts = np.array(statistics.confidence_counts)
    assert counts.sum() == 3 and counts[-1] == 1 and counts[:5].sum() == 0


def test_distance_of_identical_images_is_zero() -> None:
    images = draw(1, seed=0)[0].repeat(5, 1, 1, 1)
    assert measure(images, torch.zeros(5, dtype=torch.long)).within_class_distance == 0


def test_distance_is_in_pixels_between_pairs_of_one_class() -> None:
    pixels = np.zeros((5, 12, 12, 3), np.uint8)
    pixels[1] += 30
    pixels[2] += 40
    pixels[3] += 200  # another class
    pixels[4] += 100  # alone in its class
    images = torch.from_numpy(SPEC.normalize(pixels))
    distance = measure(images, torch.tensor([0, 0, 0, 1, 2])).within_class_distance
    assert distance == pytest.approx((30 + 40 + 10) / 3, rel=1e-5)


def test_a_distance_needs_two_images_of_a_class() -> None:
    assert measure(draw(3, seed=0)[0], torch.tensor([0, 1, 2])).within_class_distance is None


@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4), pairs=st.integers(1, 200))
def test_pairs_are_all_or_as_many_as_allowed_and_never_an_image_with_itself(sizes: list[int], pairs: int) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    np.random.default_rng(0).shuffle(labels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(set_statistics, "PAIRS", pairs)
        first, second = set_statistics._pairs_of_a_class(labels)
    there = {pair for pair in itertools.combinations(range(len(labels)), 2) if labels[pair[0]] == labels[pair[1]]}
    drawn = [(min(pair), max(pair)) for pair in zip(first.tolist(), second.tolist(), strict=True)]
    assert set(drawn) <= there
    assert set(drawn) == there if len(there) <= pairs else len(drawn) == pairs


def test_drawn_pairs_tell_what_all_pairs_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = draw(200, seed=1)
    everything = measure(images, labels).within_class_distance
    monkeypatch.setattr(set_statistics, "PAIRS", 1000)
    assert measure(images, labels).within_class_distance == pytest.approx(everything, rel=0.01)


def test_json_and_back() -> None:
    statistics = measure(*draw(6, seed=0))
    values = json.loads(json.dumps(statistics.to_json()))
    assert values == statistics.to_json()
    assert SetStatistics.from_json(values) == statistics


def test_balance_counts_what_was_asked_and_what_was_answered() -> None:
    logits = np.array([[0, 1, 0], [0, 2, 1], [3, 0, 0]], np.float32)
    balance = ClassBalance.count(np.array([2, 2, 0]), logits)
    assert (balance.asked, balance.answered) == ((1, 0, 2), (1, 2, 0))


class Boxes(nn.Module):
    """A detector's outputs behind one BatchNorm."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3).eval()

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = self.norm(images)
        return x.flatten(2), x.mean((1, 2, 3))


def test_a_set_for_a_network_without_classes_has_the_figures_that_need_none() -> None:
    statistics, scores = measure_set(Boxes(), *draw(6, seed=0), SPEC, "cpu", classes=False)
    assert scores.shape == (6, 0)
    assert (statistics.agreement, statistics.confidence, statistics.entropy) == (None, None, None)
    assert statistics.bns_distance is not None and statistics.within_class_distance is not None
    assert SetStatistics.from_json(json.loads(json.dumps(statistics.to_json()))) == statistics
