from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdfq_export.baselines.published_budget import cut_to_budget, published_seconds, steps_within
from gdfq_export.errors import InputError
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.sources import load_model
from gdfq_export.jobs.compare.methods import recipe_for
from gdfq_export.recipe import PublishedFineTune
from tests.jobs.compare import compared

SECONDS = st.floats(0.01, 10)
SHARE = st.floats(0, 1)


@pytest.fixture(scope="module")
def demo() -> FloatModel:
    return load_model(None)


@given(budget=st.floats(0.1, 1e4), generator=SECONDS, more=st.floats(0, 10), warmup=SHARE, followed=SHARE)
def test_steps_fill_the_budget_and_stay_in_it(
    budget: float, generator: float, more: float, warmup: float, followed: float
) -> None:
    settings = PublishedFineTune(warmup=warmup, followed=followed)
    full = generator + more
    steps = steps_within(budget, generator, full, settings)
    assert steps == 1 or published_seconds(steps, generator, full, settings) <= budget
    assert published_seconds(steps + 1, generator, full, settings) > budget


def test_warm_up_costs_the_generator_alone() -> None:
    settings = PublishedFineTune(warmup=0.5, followed=0.1)
    assert published_seconds(1000, 1.0, 3.0, settings) == 100 * 3.0 + 400 * 1.0 + 500 * 3.0


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
