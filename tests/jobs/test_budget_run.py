"""A run with a budget says what it chose, and its recipe repeats it without a clock."""

from __future__ import annotations

from pathlib import Path

import pytest

from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.sources import load_model
from gdfq_export.jobs.result import Result
from gdfq_export.recipe import Budget as Limits
from gdfq_export.recipe import (
    Calibration,
    Data,
    FineTune,
    Generator,
    Recipe,
    Refinement,
    Verify,
    recipe_sha256,
)
from tests.jobs import runs


@pytest.fixture(scope="module")
def demo() -> FloatModel:
    return load_model(None)


def run(model: FloatModel, out: Path, recipe: Recipe, seconds: float | None) -> Result:
    return runs.quantize(model, recipe, out=out, budget=seconds)


def test_a_run_with_a_budget_says_what_it_chose_and_the_recipe_repeats_it(demo: FloatModel, tmp_path: Path) -> None:
    recipe = Recipe(
        name="small",
        data=Data(method="gdfq-refined", generator=Generator(steps=70), refinement=Refinement(steps=2, batch=64)),
        calibration=Calibration(images=32),
        budget=Limits(images=96, finetune_steps=40),
        verify=Verify(agreement_images=8, parity_images=8, latency_seconds=0),
    )

    report = run(demo, tmp_path / "a.onnx", recipe, 6000).report
    assert report.budget is not None and report.budget.seconds == 6000
    assert 0 < report.budget.seconds_spent < 6000
    again = Recipe.model_validate(report.recipe.used)
    assert (again.calibration.images, again.data.images, again.data.generator.steps) == (84, 96, 70)
    assert again.tuning.finetune == FineTune(steps=40)
    over_time = report.accuracy_over_time
    assert over_time is not None and over_time.images == 12
    phases = [(point.phase, point.step) for point in over_time.points]
    assert phases == [("calibrate", 0), ("tune layers", 0), *(("fine-tune", step) for step in range(5, 45, 5))]
    assert sum(point.kept for point in over_time.points) == 1
    seconds = [point.seconds for point in over_time.points]
    assert seconds == sorted(seconds) and 0 < seconds[0] < seconds[-1] < report.budget.seconds_spent
    assert run(demo, tmp_path / "b.onnx", recipe, None).report.budget is None
    run(demo, tmp_path / "c.onnx", again, None)
    files = [
        (tmp_path / name).read_bytes().replace(recipe_sha256(used).encode(), b"")
        for name, used in (("a.onnx", recipe), ("c.onnx", again))
    ]
    assert files[0] == files[1]


def test_a_recipe_without_fine_tuning_gives_the_same_file_with_plenty_of_time(demo: FloatModel, tmp_path: Path) -> None:
    """Images to follow the tuning with are its own: none is taken from those that ranges are observed on."""
    recipe = Recipe(
        name="small",
        data=Data(generator=Generator(steps=70)),
        calibration=Calibration(images=32),
        verify=Verify(agreement_images=8, parity_images=8, latency_seconds=0),
    )
    timed = run(demo, tmp_path / "a.onnx", recipe, 6000).report.accuracy_over_time
    assert timed is not None
    assert [(point.phase, point.kept) for point in timed.points] == [("calibrate", False), ("tune layers", True)]
    assert run(demo, tmp_path / "b.onnx", recipe, None).report.accuracy_over_time is None
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_a_budget_that_is_too_short_is_told_and_the_least_is_done(demo: FloatModel, tmp_path: Path) -> None:
    recipe = Recipe(
        name="small",
        data=Data(method="gdfq-refined", generator=Generator(steps=70), refinement=Refinement(steps=2, batch=64)),
        budget=Limits(images=96, finetune_steps=40),
        verify=Verify(agreement_images=8, parity_images=8, latency_seconds=0),
    )
    report = run(demo, tmp_path / "a.onnx", recipe, 0.5).report
    assert any("a budget of 0.5 s is too short for this network" in warning for warning in report.warnings)
    used = Recipe.model_validate(report.recipe.used)
    assert (used.data.generator.steps, used.data.refinement.steps, used.data.images) == (60, 0, 64)
    assert used.tuning.finetune is not None and used.tuning.finetune.steps == 1
