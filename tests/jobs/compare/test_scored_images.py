"""What all cells are scored on: given images, or made ones that are made once."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from calib.synthetic_set import SyntheticSet
from gdfq_export.jobs.compare.scored_images import ScoredImages, given_images, images_facts, made_images, shared_images
from gdfq_export.jobs.run_context import RunContext
from tests.jobs.compare import compared

NETWORK = compared.network()


def make(path: Path, count: int | None = 16, seed: int = 0) -> ScoredImages:
    return made_images(NETWORK, path, RunContext(seed=seed, device="cpu"), count=count)


@pytest.fixture
def seeds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seeds that images were made with; noise stands in for them."""
    seeds: list[int] = []

    def synthesize(model: object, recipe: object, run: RunContext, *, count: int) -> SyntheticSet:
        seeds.append(run.seed)
        drawn = compared.images(run.seed, count)
        with torch.no_grad():
            logits = NETWORK.teacher(drawn.images).numpy()
        return SyntheticSet(
            images=drawn.images.numpy(),
            labels=drawn.labels.numpy(),
            logits=logits,
            input_name="x",
            provenance={"method": "noise"},
        )

    monkeypatch.setattr("gdfq_export.jobs.compare.scored_images.continued_synthesis", synthesize)
    return seeds


def test_given_labels_are_called_given() -> None:
    scored = given_images(compared.labelled(0))
    assert scored.labelled and scored.facts.images == 40 and scored.facts.source == "noise 0"


def test_made_images_have_float_s_answers_and_another_seed(seeds: list[int], tmp_path: Path) -> None:
    scored = make(tmp_path / "i.npz", seed=2**32 - 1)
    assert seeds == [0] and not scored.labelled
    with torch.no_grad():
        assert (NETWORK.teacher(torch.from_numpy(scored.images.images)).numpy().argmax(1) == scored.images.truth).all()


def test_they_are_made_once(seeds: list[int], tmp_path: Path) -> None:
    path = tmp_path / "i.npz"
    first, again = make(path), make(path)
    assert seeds == [1] and first.facts == again.facts
    make(path, count=17)
    make(path, seed=5)
    assert seeds == [1, 1, 6]
    path.write_bytes(path.read_bytes()[:100])
    make(path, seed=5)
    assert seeds == [1, 1, 6, 6]


def test_the_usual_number_is_the_recipe_s(seeds: list[int], tmp_path: Path) -> None:
    assert make(tmp_path / "i.npz", count=None).facts.images == 512


def test_the_hash_is_of_images_and_labels() -> None:
    one = compared.labelled(0)
    other = dataclasses.replace(one, truth=(one.truth + 1) % compared.CLASSES)
    assert images_facts(one).sha256 == images_facts(compared.labelled(0)).sha256
    assert len({images_facts(each).sha256 for each in (one, other, compared.labelled(1))}) == 3


def test_shared_images_are_counted() -> None:
    one, other = compared.labelled(0), compared.labelled(1)
    other.images[7] = one.images[3]
    assert shared_images(one.images, other.images) == 1
    assert np.array_equal(other.images[7], one.images[3])
