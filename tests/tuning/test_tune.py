"""The steps of a recipe that needs no data, one after the other, in the file that is written."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from gdfq_export.frontend.demo.labelled import held_out_set
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.sources import load_model
from gdfq_export.jobs.result import Result
from gdfq_export.metrics.parity import ParityResult
from gdfq_export.recipe import Recipe, Tuning, Verify, load_recipe
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from gdfq_export.simulator import Simulator
from gdfq_export.support.clocks.budget_clock import BudgetClock
from gdfq_export.support.progress import SilentProgress
from gdfq_export.tuning import Tuned, tune
from gdfq_export.tuning.history import TimedTuning
from tests.jobs import runs
from tests.simulator.quantized import images_for
from tests.tuning.chain_network import simulated
from tests.tuning.dfq.test_bias_absorption import HIGH
from tests.tuning.dfq.test_bias_absorption import network as absorbing_network
from tests.tuning.residual_network import images as residual_images
from tests.tuning.residual_network import simulator as residual_simulator

VERIFY = Verify(agreement_images=16, parity_images=64, latency_seconds=0)


@pytest.fixture(scope="module")
def demo() -> FloatModel:
    return load_model(None)


def quantized(demo: FloatModel, out: Path, recipe: Recipe, seed: int = 0) -> Result:
    return runs.quantize(
        demo,
        recipe.model_copy(update={"verify": VERIFY}),
        out=out,
        report=None,
        data=None,
        calibration=None,
        seed=seed,
    )


def test_dfq_answers_as_the_float_network_whatever_the_noise(demo: FloatModel, tmp_path: Path) -> None:
    recipe, images = load_recipe("paper/dfq"), held_out_set().images.numpy()
    answers = []
    for seed in (0, 1):
        out = tmp_path / f"{seed}.onnx"
        parity = quantized(demo, out, recipe, seed).report.parity
        assert isinstance(parity, ParityResult) and parity.exact
        answers.append(OnnxRuntime().load(out, 1).run(images))
    wanted = OnnxRuntime().load(demo.original.SerializeToString(), 1).run(images)
    assert np.mean(answers[0].argmax(1) == wanted.argmax(1)) >= 0.97
    np.testing.assert_array_equal(answers[0], answers[1], err_msg="no number comes from the noise")


@pytest.mark.parametrize(
    "change",
    [{"equalization": "none"}, {"bias_correction": "none"}, {"rounding": True}],
    ids=lambda change: next(iter(change)),
)
def test_each_step_changes_the_file(demo: FloatModel, tmp_path: Path, change: dict[str, object]) -> None:
    recipe = load_recipe("paper/dfq")
    other = recipe.model_copy(update={"tuning": recipe.tuning.model_copy(update=change)})
    images = held_out_set().images.numpy()
    answers = []
    for index, each in enumerate((recipe, other)):
        quantized(demo, tmp_path / f"{index}.onnx", each)
        answers.append(OnnxRuntime().load(tmp_path / f"{index}.onnx", 1).run(images))
    assert not np.array_equal(*answers)


def test_absorption_is_a_step_and_what_is_not_known_is_told(caplog: pytest.LogCaptureFixture) -> None:
    proto = absorbing_network()
    simulator, _ = simulated(proto)
    before = simulator.parameter("b").detach().clone()
    recipe = load_recipe("paper/dfq")
    recipe = recipe.model_copy(update={"tuning": recipe.tuning.model_copy(update={"equalization": "none"})})
    images = torch.from_numpy(images_for(proto, 4))
    caplog.set_level(logging.INFO, logger="gdfq_export")
    tune(simulator, images, recipe, statistics={"c": HIGH}, seed=0, device="cpu", progress=SilentProgress())
    moved = before - simulator.parameter("b").detach()
    torch.testing.assert_close(moved, torch.tensor([8.0, 17.0, 0.0, 0.0]))
    assert "the range of d was observed: nothing is known behind Conv Conv_d" in caplog.messages
    assert (
        "the bias of Conv_c was not corrected: the mean of its input is not known behind the input x" in caplog.messages
    )


def timed(tuning: Tuning) -> tuple[Simulator, Tuned]:
    """A network that is tuned with plenty of time."""
    network = residual_simulator(3)
    clock = TimedTuning(clock=BudgetClock(1000, lambda: 0.0), held_out=residual_images(16, seed=7))
    recipe, seen = Recipe(name="mine", tuning=tuning), residual_images(32)
    done = tune(network, seen, recipe, statistics={}, seed=0, device="cpu", progress=SilentProgress(), timed=clock)
    return network, done


def kept(done: Tuned) -> list[tuple[str, bool]]:
    assert done.history is not None
    return [(point.phase, point.kept) for point in done.history.points]


def test_tuning_of_layers_that_helps_is_left() -> None:
    _, done = timed(Tuning())
    assert kept(done) == [("calibrate", False), ("tune layers", True)]
    assert (done.layers_tuned, done.warnings) == (True, ())


def test_tuning_of_layers_that_harms_is_undone_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    calibrated, _ = timed(Tuning(rounding=False, bias_correction="none"))

    def spoil(network: Simulator, *_: object, **__: object) -> None:
        with torch.no_grad():
            network.parameter("w").mul_(3.0)

    monkeypatch.setitem(tune.__globals__, "tune_layers", spoil)
    network, done = timed(Tuning())
    assert kept(done) == [("calibrate", True), ("tune layers", False)]
    assert not done.layers_tuned and done.warnings[0].startswith("tuning of layers was undone")
    state = calibrated.network.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in network.network.state_dict().items())


def test_where_there_is_nothing_to_tune_nothing_is_undone() -> None:
    _, done = timed(Tuning(rounding=False, bias_correction="none"))
    assert kept(done) == [("calibrate", True)]
    assert (done.layers_tuned, done.warnings) == (True, ())
