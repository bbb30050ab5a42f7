"""Tuning that was killed and continued leaves the bytes of one that was not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from calib.checkpoints.checkpoint import Checkpoints
from gdfq_export.recipe import FineTune, Tuning
from gdfq_export.tuning import finetune, tune_layers
from gdfq_export.tuning.distillation import Following
from gdfq_export.tuning.reconstruction.layerwise import LayerFollowing
from gdfq_export.tuning.sensitivity import sensitivity
from tests.support.checkpoints.kills import killed_everywhere
from tests.tuning.residual_network import images, simulator

State = dict[str, Tensor]


def layers(settings: Tuning) -> Callable[[Checkpoints], State]:
    def work(checkpoints: Checkpoints) -> State:
        network = simulator(4)
        follow = LayerFollowing(checkpoint=checkpoints.of("tune layers"))
        tune_layers(network, network.float_copy(), images(16), settings, seed=0, follow=follow)
        return network.state_dict()

    return work


def distilled(checkpoints: Checkpoints) -> State:
    network, figures = simulator(4), []
    follow = Following(
        on_measured=lambda step, measured: figures.append(measured.error), checkpoint=checkpoints.of("fine-tune")
    )
    settings = FineTune(steps=7, batch=8)
    done = finetune(network, network.float_copy(), images(32), settings, seed=0, on_step=lambda *_: None, follow=follow)
    return {**network.state_dict(), "done": torch.tensor([done.steps, done.kept, len(done.warnings)])}


def measured(checkpoints: Checkpoints) -> State:
    errors = sensitivity(simulator(4), images(16), checkpoint=checkpoints.of("measure layers"))
    return {name: torch.tensor(error, dtype=torch.float64) for name, error in errors.items()}


ALL_STEPS = Tuning(rounding=True, refit=True, activation_scales=True, bias_correction="empirical")


@pytest.mark.parametrize(
    "work",
    [
        layers(ALL_STEPS),
        layers(Tuning(rounding=False, bias_correction="empirical")),
        layers(Tuning(rounding=True, bias_correction="none")),
        distilled,
        measured,
    ],
)
def test_killed_tuning_goes_on_and_leaves_the_same_bytes(work: Callable[[Checkpoints], State], tmp_path: Path) -> None:
    whole, *continued = killed_everywhere(work, tmp_path)
    for state in continued:
        assert state.keys() == whole.keys()
        assert all(torch.equal(state[name], whole[name]) for name in whole)
