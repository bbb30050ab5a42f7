"""Tuning that was killed and continued leaves the bytes of one that was not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
import torch
from torch import Tensor

from calib.checkpoints.checkpoint import Checkpoints
from gdfq_export.recipe import Bits, FineTune, Tuning
from gdfq_export.tuning import finetune, tune_layers
from gdfq_export.tuning.channel_splitting import split_channels
from gdfq_export.tuning.distillation import Following
from gdfq_export.tuning.reconstruction.layerwise import LayerFollowing
from gdfq_export.tuning.sensitivity import sensitivity
from tests.simulator.quantized import images_for, quantize
from tests.support.checkpoints.kills import killed_everywhere
from tests.tuning.residual_network import images, simulator
from tests.tuning.test_channel_splitting import network as with_dead_channels

State = dict[str, Tensor]


def layers(settings: Tuning, *, proto: onnx.ModelProto | None = None) -> Callable[[Checkpoints], State]:
    def work(checkpoints: Checkpoints) -> State:
        network = simulator(4) if proto is None else quantize(proto, Bits(weights=4, activations=4)).simulator
        seen = images(16) if proto is None else torch.from_numpy(images_for(proto, 16))
        follow = LayerFollowing(checkpoint=checkpoints.of("tune layers"))
        reference = network.float_copy()
        fractions = split_channels(network, reference, seen)
        assert bool(fractions) == (proto is not None)
        tune_layers(network, reference, seen, settings, seed=0, fractions=fractions, follow=follow)
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
        layers(ALL_STEPS, proto=with_dead_channels(depthwise=True)),
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
