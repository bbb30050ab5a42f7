"""A recipe is resolved for image size and budget: never more than the time pays for or the recipe allows."""

from __future__ import annotations

import pytest

from gdfq_export.frontend.sources import load_model
from gdfq_export.jobs.time_budget import StepSeconds, resolve, time_steps
from gdfq_export.recipe import Bits, Calibration, Data, Generator, Recipe, Refinement
from gdfq_export.recipe import Budget as Limits

REFINED = Recipe(
    name="refined",
    bits=Bits(weights=4),
    data=Data(method="gdfq-refined", generator=Generator(steps=100), refinement=Refinement(steps=10, batch=32)),
    budget=Limits(images=256, finetune_steps=200),
)
SMALL = (1, 8, 8)
STEPS = StepSeconds(generator=0.1, refinement=0.5)


@pytest.mark.parametrize(
    ("seconds", "generator", "count"),
    [
        (60, 100, 128),  # half of it is 30 s: 10 s of generator and four batches of 5 s
        (1000, 100, 256),  # the recipe's limit
        (28, 70, 64),  # a quarter is 7 s of generator; the fewest images, two batches, are over the half
        (2, 60, 64),  # the least of both
    ],
)
def test_half_of_the_time_goes_into_images(seconds: float, generator: int, count: int) -> None:
    fitted = resolve(REFINED, SMALL, seconds=seconds, steps=STEPS)
    assert fitted.data.generator.steps == generator
    assert fitted.calibration.images == fitted.data.images == count
    own = {name: getattr(REFINED, name) for name in ("data", "calibration", "large_images")}
    assert fitted.model_copy(update=own) == REFINED


@pytest.mark.parametrize("side", [32, 224])
def test_what_a_budget_chose_holds_for_images_of_any_size(side: int) -> None:
    fitted = resolve(REFINED, (3, side, side), seconds=1000, steps=STEPS)
    assert fitted.calibration.images == 256
    assert fitted.for_input((3, side, side)) == fitted


def test_images_that_nothing_refines_keep_their_number() -> None:
    plain = REFINED.model_copy(update={"data": Data(method="gdfq"), "calibration": Calibration(images=96)})
    assert resolve(plain, SMALL, seconds=1000, steps=StepSeconds(generator=0.1)).calibration.images == 96
    noise = REFINED.model_copy(update={"data": Data(method="noise")})
    assert resolve(noise, SMALL, seconds=1000, steps=StepSeconds()) is noise


def test_images_that_are_not_refined_take_no_time() -> None:
    unrefined = REFINED.model_copy(update={"bits": Bits()})
    assert resolve(unrefined, (3, 224, 224), seconds=1000, steps=STEPS).calibration.images == 64


def test_without_a_budget_the_recipe_keeps_its_numbers() -> None:
    assert resolve(REFINED, SMALL) == REFINED
    assert resolve(REFINED, SMALL, seconds=10) == REFINED


@pytest.mark.parametrize(("method", "timed"), [("noise", (False, False)), ("gdfq-refined", (True, True))])
def test_only_the_steps_of_the_method_are_timed(method: str, timed: tuple[bool, bool]) -> None:
    recipe = REFINED.model_copy(update={"data": REFINED.data.model_copy(update={"method": method})})
    steps = time_steps(recipe, load_model(None), "cpu")
    assert tuple(seconds is not None and seconds > 0 for seconds in (steps.generator, steps.refinement)) == timed
