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


def test_a_run_with_a_budget_says_what_it_chose_and_the_recipe_repeats_it(demo: FloatModel, tmp_path: Path) -> None:
    recipe = Recipe(
        name="small",
        data=Data(method="gdfq-refined", generator=Generator(steps=70), refinement=Refinement(steps=2, batch=64)),
        calibration=Calibration(images=32),
        budget=Limits(images=96, finetune_steps=40),
        verify=Verify(agreement_images=8, parity_images=8, latency_seconds=0),
    )

    def run(name: str, chosen: Recipe, seconds: float | None) -> Result:
        return runs.quantize(
            demo,
            chosen,
            out=tmp_path / name,
            report=None,
            data=None,
            calibration=None,
            seed=0,
            budget=seconds,
        )

    report = run("a.onnx", recipe, 6000).report
    assert report.budget is not None and report.budget.seconds == 6000
    assert 0 < report.budget.seconds_spent < 6000
    again = Recipe.model_validate(report.recipe.used)
    assert (again.calibration.images, again.data.images, again.data.generator.steps) == (84, 96, 70)
    assert again.tuning.finetune == FineTune(steps=40)
    assert run("b.onnx", recipe, None).report.budget is None
    run("c.onnx", again, None)
    files = [
        (tmp_path / name).read_bytes().replace(recipe_sha256(used).encode(), b"")
        for name, used in (("a.onnx", recipe), ("c.onnx", again))
    ]
    assert files[0] == files[1]
