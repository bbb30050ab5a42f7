"""A recipe is resolved for image size and budget: never more than the time pays for or the recipe allows."""

from __future__ import annotations

import pytest

from gdfq_export.frontend.sources import load_model
from gdfq_export.jobs.time_budget import StepSeconds, resolve, time_steps
from gdfq_export.recipe import Bits, Calibration, Data, Generator, LargeImages, Recipe, Refinement
from gdfq_export.recipe import Budget as Limits

LARGE = Data(method="refined", refinement=Refinement(steps=40, batch=32))
REFINED = Recipe(
    name="refined",
    bits=Bits(weights=4),
    data=Data(method="gdfq-refined", generator=Generator(steps=100), refinement=Refinement(steps=10, batch=32)),
    budget=Limits(images=256, finetune_steps=200),
)
SMALL = (1, 8, 8)
STEPS = StepSeconds(generator=0.1, refinement=0.5)


@pytest.mark.parametrize(
    ("seconds", "generator", "count", "refinement"),
    [
        (60, 100, 128, 10),  # half of it is 30 s: 10 s of generator and four batches of 5 s
        (1000, 100, 256, 10),  # the recipe's limit
        (28, 70, 64, 7),  # a quarter is 7 s of generator; the fewest images, two batches, get 7 s of steps
        (2, 60, 64, 0),  # the least of all
        (-5, 60, 64, 0),
    ],
)
def test_half_of_the_time_goes_into_images(seconds: float, generator: int, count: int, refinement: int) -> None:
    fitted = resolve(REFINED, SMALL, seconds=seconds, steps=STEPS)
    assert fitted.data.generator.steps == generator
    assert fitted.data.refinement.steps == refinement
    assert fitted.calibration.images == fitted.data.images == count
    assert fitted.verify == REFINED.verify, "a generator makes fresh images for nothing"
    own = {name: getattr(REFINED, name) for name in ("data", "calibration", "large_images")}
    assert fitted.model_copy(update=own) == REFINED


@pytest.mark.parametrize(
    ("seconds", "images", "fresh", "refinement"),
    [
        (4000, 160, 20, 40),  # 2,000 s of images at 10 s each, a tenth of them for the agreement at the end
        (1300, 64, 8, 36),  # 650 s: the fewest of both, 72, at a quarter of a second a step
        (60, 64, 8, 1),
    ],
)
def test_fresh_images_are_refined_within_the_half(seconds: float, images: int, fresh: int, refinement: int) -> None:
    recipe = REFINED.model_copy(update={"large_images": LargeImages(data=LARGE)})
    fitted = resolve(recipe, (3, 224, 224), seconds=seconds, steps=StepSeconds(refinement=8.0))
    assert fitted.calibration.images == images
    assert (fitted.verify.agreement_images, fitted.verify.parity_images) == (fresh, fresh)
    assert fitted.data.refinement.steps == refinement
    spent = (images + fresh) * refinement * 8.0 / 32
    assert spent <= seconds / 2
    assert fitted.for_input((3, 224, 224)) == fitted


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
