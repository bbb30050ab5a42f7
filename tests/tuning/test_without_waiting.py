"""Distillation and tuning of layers do not wait for a GPU within a step."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import pytest

from calib.device.step_watch import STEPS_BETWEEN_LOOKS
from gdfq_export.recipe import FineTune, Tuning
from gdfq_export.simulator import Mode, Simulator
from gdfq_export.tuning import finetune, tune_layers
from gdfq_export.tuning.outliers import without_outliers
from gdfq_export.tuning.reconstruction.images_in_memory import images_in_memory
from gdfq_export.tuning.reconstruction.layerwise import LayerFollowing
from tests.gpu_stand_in import DEVICE, StandInGpu
from tests.tuning.residual_network import images, simulator


def _networks() -> tuple[Simulator, Simulator]:
    """The simulator and its float network, on the device."""
    network = simulator(4)
    return network.to(DEVICE), simulator(4).float_copy().to(DEVICE)


def test_distillation_waits_once_in_25_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calib.device.memory.free_bytes", lambda device: 2**30)
    monkeypatch.setattr("gdfq_export.tuning.distillation.checkpoint_interval", lambda steps: steps)
    settings = FineTune(steps=4 * STEPS_BETWEEN_LOOKS, batch=8)
    looks: list[tuple[int, int, int]] = []

    def on_step(done: int, total: int, figures: Mapping[str, float]) -> None:
        looks.append((done, gpu.count, gpu.sent))

    with StandInGpu() as gpu:
        network, reference = _networks()
        finetune(network, reference, images(32), settings, seed=0, on_step=on_step)
    assert [done for done, *_ in looks] == [25, 50, 75, 100]
    sent = [sent for *_, sent in looks]
    assert [after - before for before, after in itertools.pairwise(sent)] == [50, 50, 50]  # places and flips
    assert [after - before for (_, before, _), (_, after, _) in itertools.pairwise(looks)] == [1, 1, 1]


@pytest.mark.parametrize("refit", [False, True])
def test_no_layer_waits_while_it_is_tuned(refit: bool) -> None:
    waits: list[int] = []
    settings = Tuning(rounding=True, bias_correction="empirical", refit=refit, activation_scales=True)
    with StandInGpu() as gpu:
        network, reference = _networks()
        network.set_mode(Mode.QUANTIZE)
        seen = images(16).to(DEVICE)
        before = gpu.count
        follow = LayerFollowing(on_layer=lambda done, total: waits.append(gpu.count - before))
        tune_layers(network, reference, seen, settings, seed=0, follow=follow)
    assert waits == [0, 0, 0], gpu.waits


def test_outliers_are_looked_for_with_one_copy_to_the_host() -> None:
    with StandInGpu() as gpu:
        network, _ = _networks()
        before = gpu.waits["copied to the host"]
        without_outliers(network, images(130), 10.0)
    assert gpu.waits["copied to the host"] - before == 1


@pytest.mark.parametrize(("free", "count"), [(2**40, 100), (0, 16)])
def test_layers_are_tuned_on_as_many_images_as_half_of_what_is_free_holds(
    free: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gdfq_export.tuning.reconstruction.images_in_memory.free_bytes", lambda device: free)
    with StandInGpu():
        _, reference = _networks()
        assert len(images_in_memory(reference, images(100).to(DEVICE))) == count
    assert len(images_in_memory(simulator(4).float_copy(), images(100))) == 100
