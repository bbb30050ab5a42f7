"""Which images a run works with."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from calib import RealSet, SyntheticSet
from gdfq_export.errors import InputError
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.sources import load_model
from gdfq_export.jobs.image_source import ImageSource
from gdfq_export.planning.placement import plan_of
from gdfq_export.recipe import (
    Bits,
    Data,
    Generator,
    PublishedFineTune,
    PublishedGenerator,
    Recipe,
    Refinement,
    Tuning,
    ZeroQ,
)
from gdfq_export.simulator import Simulator
from gdfq_export.support.progress import SilentProgress


@pytest.fixture(scope="module")
def demo() -> FloatModel:
    return load_model(None)


def source_of(
    demo: FloatModel,
    data: Data,
    saved: SyntheticSet | RealSet | None = None,
    progress: SilentProgress | None = None,
    tuning: Tuning | None = None,
) -> ImageSource:
    recipe = Recipe(name="test", data=data, tuning=tuning or Tuning())
    return ImageSource(demo, recipe, saved, seed=0, device="cpu", progress=progress or SilentProgress())


def saved_set(count: int = 5, side: int = 8, classes: int = 10) -> SyntheticSet:
    images = np.arange(count, dtype=np.float32)[:, None, None, None] * np.ones((1, 1, side, side), np.float32) / count
    return SyntheticSet(
        images=images,
        labels=np.zeros(count, np.int64),
        logits=np.zeros((count, classes), np.float32),
        input_name="image",
        provenance={"method": "gdfq", "seed": 7},
    )


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (Data(method="noise"), "noise"),
        (Data(method="gdfq", generator=Generator(steps=2, batch=4)), "gdfq"),
        (Data(method="refined", refinement=Refinement(steps=2, batch=4)), "dead leaves and pink noise+refinement"),
        (Data(method="zeroq", zeroq=ZeroQ(steps=2, batch=4)), "zeroq"),
        (Data(method="published", published=PublishedGenerator(steps=2, batch=4)), "gdfq as published"),
    ],
)
def test_every_method_draws_fresh_images_in_a_phase_of_its_own(demo: FloatModel, data: Data, name: str) -> None:
    progress = SilentProgress()
    source = source_of(demo, data, progress=progress)
    drawn = source.draw(6, "make images")
    assert source.name == name
    assert drawn.images.shape == (6, 1, 8, 8) and drawn.labels.shape == (6,) and drawn.source == name
    assert not torch.equal(drawn.images, source.draw(6, "make fresh images").images)
    assert {"make images", "make fresh images"} <= set(progress.seconds)


def test_a_saved_set_is_drawn_in_order_and_again_from_its_start(demo: FloatModel) -> None:
    saved = saved_set()
    source = source_of(demo, Data(), saved)
    drawn = torch.cat([source.draw(3, "a").images, source.draw(4, "b").images])
    np.testing.assert_array_equal(drawn.numpy(), saved.images[[0, 1, 2, 3, 4, 0, 1]])
    assert source.name == "a saved set (gdfq)" and source.provenance["seed"] == 7


@pytest.mark.parametrize("wrong", [{"side": 9}, {"classes": 11}])
def test_a_saved_set_of_another_network_is_refused(demo: FloatModel, wrong: dict[str, int]) -> None:
    with pytest.raises(InputError, match="make them for this network with gdfq-export synthesize"):
        source_of(demo, Data(), saved_set(**wrong))


def test_filling_adds_noise_only_where_images_are_missing(demo: FloatModel) -> None:
    source = source_of(demo, Data(method="noise"))
    drawn = source.draw(3, "a")
    filled, origin = source.fill(drawn, 5)
    assert filled.shape == (5, 1, 8, 8) and torch.equal(filled[:3], drawn.images) and filled[3:].any()
    assert origin == "noise (fresh): 3, noise: 2"
    assert torch.equal(source.fill(drawn, 2)[0], drawn.images[:2])


def test_divergence_names_the_key_to_lower(demo: FloatModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def diverge(*_: object, **__: object) -> None:
        raise FloatingPointError("loss is NaN")

    monkeypatch.setattr("gdfq_export.synthesis.generator.train_gdfq", diverge)
    with pytest.raises(InputError, match=r"data\.generator\.learning_rate"):
        source_of(demo, Data(method="gdfq"))


def real_set(count: int = 5) -> RealSet:
    images = torch.arange(count, dtype=torch.float32)[:, None, None, None].expand(count, 1, 8, 8) / count
    return RealSet(images=images, labels=torch.arange(count), origin="photos.npz")


def test_real_images_are_drawn_in_the_seeds_order_each_once_before_any_comes_again(demo: FloatModel) -> None:
    source = source_of(demo, Data(method="real"), real_set(50))
    labels = torch.cat([source.draw(30, "a").labels, source.draw(30, "b").labels])
    assert sorted(labels[:50].tolist()) == list(range(50)) and labels[:50].tolist() != list(range(50))
    assert torch.equal(labels[50:], labels[:10])
    assert source.name == "real images" and source.provenance == {"method": "real", "source": "photos.npz"}


def test_images_that_come_again_are_named_so(demo: FloatModel) -> None:
    source = source_of(demo, Data(), saved_set(5))
    source.draw(3, "a")
    fresh, again = source.draw_fresh(2, "b"), source.draw_fresh(1, "c")
    assert not fresh.repeated and fresh.warnings == () and fresh.name == "a saved set (gdfq) (fresh)"
    assert again.repeated and again.name == "a saved set (gdfq) (again)"
    assert "there are 5, and tuning and measuring took 6" in again.warnings[0]


def test_real_images_are_given_never_made(demo: FloatModel) -> None:
    with pytest.raises(InputError, match="--calibration"):
        source_of(demo, Data(method="real"))


PUBLISHED = Tuning(rounding=False, bias_correction="none", published=PublishedFineTune())


def test_the_published_tuning_makes_its_images_while_it_tunes(demo: FloatModel) -> None:
    data, progress = Data(method="published", published=PublishedGenerator(steps=3, batch=4)), SilentProgress()
    source = source_of(demo, data, progress=progress, tuning=PUBLISHED)
    network = Simulator(demo.folded, plan_of(demo, "ort-cpu", Bits()), task=demo.task)
    assert source.tune(network) == 12
    assert list(progress.seconds) == ["train and fine-tune"] and network.freeze()


@pytest.mark.parametrize(
    ("data", "saved", "tuning", "hint"),
    [
        (Data(method="gdfq"), None, PUBLISHED, "set data.method to published"),
        (Data(method="published"), saved_set(), PUBLISHED, "leave out --calibration"),
        (Data(method="published"), None, Tuning(published=PublishedFineTune()), "rounding: false"),
    ],
)
def test_what_does_not_go_with_the_published_tuning_is_refused_first(
    demo: FloatModel, data: Data, saved: SyntheticSet | None, tuning: Tuning, hint: str
) -> None:
    with pytest.raises(InputError, match=hint):
        source_of(demo, data, saved, tuning=tuning)


@pytest.mark.parametrize("method", ["zeroq", "published"])
def test_methods_of_batch_norm_statistics_need_them(
    demo: FloatModel, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gdfq_export.synthesis.registry.has_batch_norm", lambda teacher: False)
    with pytest.raises(InputError, match="with BatchNormalization kept"):
        source_of(demo, Data.model_validate({"method": method}))
