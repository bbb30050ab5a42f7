"""A budget chooses images and steps from timed steps: never more than the time pays for or the recipe allows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.sources import load_model
from gdfq_export.jobs import budget_clock as module
from gdfq_export.jobs.budget_clock import TimeBudget
from gdfq_export.jobs.result import Result
from gdfq_export.recipe import Budget as Limits
from gdfq_export.recipe import (
    Calibration,
    Data,
    FineTune,
    Generator,
    Recipe,
    Refinement,
    Tuning,
    Verify,
    recipe_sha256,
)
from gdfq_export.tuning.distillation import time_step
from tests.jobs import runs
from tests.tuning.residual_network import images, simulator

REFINED = Recipe(
    name="refined",
    data=Data(method="gdfq-refined", generator=Generator(steps=100), refinement=Refinement(steps=10, batch=32)),
    budget=Limits(images=256, finetune_steps=200),
)


@pytest.fixture(scope="module")
def demo() -> FloatModel:
    return load_model(None)


class Clock:
    """Moves only when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A fine-tuning step takes 0.2 s."""
    monkeypatch.setattr(module, "time_step", lambda *_: 0.2)
    yield


@pytest.mark.parametrize(("left", "expected"), [(100, 200), (20, 90), (5, None), (-3, None)])
def test_fine_tuning_takes_what_is_left(steps: None, left: float, expected: int | None) -> None:
    clock = Clock()
    budget = TimeBudget(200, clock)
    clock.now += 200 - left
    network = simulator(3)
    chosen = budget.fit_finetune(REFINED, network, network, images(4))
    assert (chosen.steps if chosen else None) == expected


@pytest.mark.parametrize(("most", "expected"), [(0, 50), (40, 50), (120, 120)])
def test_a_recipes_own_fine_tuning_keeps_its_settings_and_grows_with_the_limit(
    steps: None, most: int, expected: int
) -> None:
    network, own = simulator(3), FineTune(steps=50, learning_rate=1e-5)
    update = {"tuning": Tuning(finetune=own), "budget": Limits(finetune_steps=most)}
    chosen = TimeBudget(1000, Clock()).fit_finetune(REFINED.model_copy(update=update), network, network, images(4))
    assert chosen == own.model_copy(update={"steps": expected})


def test_timing_a_step_changes_nothing() -> None:
    network, before = simulator(3), simulator(3)
    assert time_step(network, network.float_copy(), images(8), FineTune(batch=4)) > 0
    assert not any(parameter.requires_grad for parameter in network.network.parameters())
    state = before.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


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
    assert (again.calibration.images, again.data.images, again.data.generator.steps) == (96, 96, 70)
    assert again.tuning.finetune == FineTune(steps=40)
    assert run("b.onnx", recipe, None).report.budget is None
    run("c.onnx", again, None)
    files = [
        (tmp_path / name).read_bytes().replace(recipe_sha256(used).encode(), b"")
        for name, used in (("a.onnx", recipe), ("c.onnx", again))
    ]
    assert files[0] == files[1]
