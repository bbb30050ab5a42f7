"""The table of methods that make images, and schedules cut to a time."""

from __future__ import annotations

import dataclasses
from typing import get_args

import numpy as np
import pytest

from calib import GeneratorTraining, InputSpec, RefinementSettings, ZeroQSettings
from gdfq_export.baselines.published_gdfq import PublishedTraining
from gdfq_export.errors import InputError
from gdfq_export.frontend.float_model import FloatModel, build
from gdfq_export.frontend.sources import load_model
from gdfq_export.jobs.compare.methods import recipe_for
from gdfq_export.recipe import Data, Generator, LargeImages, PublishedGenerator, Recipe, Refinement, ZeroQ
from gdfq_export.recipe.section import Section
from gdfq_export.synthesis.registry import METHODS, cut_to_budget
from tests import tiny_graph
from tests.jobs.compare import compared


@pytest.fixture(scope="module")
def demo() -> FloatModel:
    return load_model(None)


def test_every_method_of_a_recipe_is_in_the_table() -> None:
    assert sorted(METHODS) == sorted(get_args(Data.model_fields["method"].annotation))


def test_a_methods_section_is_one_of_the_recipes_with_a_learning_rate() -> None:
    sections = [method.section for method in METHODS.values() if method.section]
    assert sections and all(getattr(Data(), section).learning_rate > 0 for section in sections)


@pytest.mark.parametrize(
    ("section", "settings"),
    [
        (Generator(steps=7), GeneratorTraining),
        (Refinement(steps=7), RefinementSettings),
        (ZeroQ(steps=7), ZeroQSettings),
        (PublishedGenerator(steps=7), PublishedTraining),
    ],
)
def test_a_section_of_the_recipe_has_the_keys_that_its_method_takes(section: Section, settings: type) -> None:
    assert dataclasses.asdict(settings(**section.model_dump())) == section.model_dump()


def test_large_images_take_the_place_of_a_generator_and_of_nothing_else() -> None:
    trained = {name for name, method in METHODS.items() if method.generator_step is not None}
    assert trained == LargeImages.replaced


@pytest.mark.parametrize("method", ["zeroq", "gdfq"])
def test_a_schedule_is_cut_to_the_time_there_is(demo: FloatModel, method: str) -> None:
    recipe = recipe_for(method, "w4a4", demo.input_spec.shape)
    short, cut = cut_to_budget(recipe, demo, lambda: 1.0, "cpu")
    assert cut is not None
    section = short.data.zeroq if method == "zeroq" else short.data.published
    assert section.steps == cut.steps < cut.published_steps
    assert 0.3 < cut.steps * cut.seconds_per_step <= 1.0
    assert short.bits == recipe.bits


def test_what_fits_keeps_its_steps(demo: FloatModel) -> None:
    recipe = recipe_for("zeroq", "w4a4", demo.input_spec.shape)
    assert cut_to_budget(recipe, demo, lambda: 1e6, "cpu")[0] == recipe


@pytest.mark.parametrize("method", ["zeroq", "gdfq"])
def test_a_network_without_statistics_is_refused_before_anything_is_timed(method: str) -> None:
    with pytest.raises(InputError, match="BatchNormalization"):
        cut_to_budget(
            recipe_for(method, "w4a4", compared.SHAPE), compared.network(batch_norm=False), lambda: 1.0, "cpu"
        )


def test_other_methods_are_left_alone(demo: FloatModel) -> None:
    recipe = recipe_for("dfq", "w4a4", demo.input_spec.shape)
    assert cut_to_budget(recipe, demo, lambda: 1.0, "cpu") == (recipe, None)


@pytest.mark.parametrize("method", ["published", "zeroq"])
def test_methods_for_images_alone_refuse_vectors_before_anything_is_timed(method: str) -> None:
    vectors = tiny_graph.model(
        nodes=[("Gemm", ["x", "w"], ["y"], {"transB": 1})],
        inputs={"x": ("n", 6)},
        outputs=["y"],
        initializers={"w": np.ones((4, 6), np.float32)},
    )
    spec = InputSpec(shape=(6,), scale=255.0, mean=(0.5,) * 6, std=(0.25,) * 6)
    model = build(vectors, name="net", source="net.onnx", sha256="0", input_spec=spec)
    recipe = Recipe(name="mine", data={"method": method})
    with pytest.raises(InputError, match=rf"mine makes images by data.method {method} and net.onnx takes inputs \[6\]"):
        cut_to_budget(recipe, model, lambda: 1.0)
