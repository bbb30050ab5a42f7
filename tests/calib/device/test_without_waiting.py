from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from calib import GeneratorTraining, RefinedSampler, RefinementSettings, StepReport, train_gdfq
from calib.device.step_watch import STEPS_BETWEEN_LOOKS
from calib.zeroq import ZeroQSampler, ZeroQSettings
from tests.calib.test_gdfq import SETTINGS
from tests.calib.tiny_teacher import teacher_of, tiny_teacher
from tests.gpu_stand_in import DEVICE, StandInGpu

STEPS = 4 * STEPS_BETWEEN_LOOKS
GENERATOR: GeneratorTraining = replace(SETTINGS, steps=STEPS)
REFINEMENT = RefinementSettings(
    steps=STEPS, batch=8, learning_rate=0.02, bns_weight=1.0, variation_weight=0.1, coarse_steps=0
)


def _train_generator(on_step: StepReport) -> None:
    train_gdfq(teacher_of(tiny_teacher()), GENERATOR, device=DEVICE, on_step=on_step)


def _train_generator_without_batch_norm(on_step: StepReport) -> None:
    train_gdfq(teacher_of(tiny_teacher(batch_norm=False)), GENERATOR, device=DEVICE, on_step=on_step)


def _refine(on_step: StepReport) -> None:
    RefinedSampler(teacher_of(tiny_teacher()), REFINEMENT, device=DEVICE).draw(8, 8, on_step)


def _distil_images(on_step: StepReport) -> None:
    settings = ZeroQSettings(steps=STEPS, batch=8, learning_rate=0.1)
    ZeroQSampler(teacher_of(tiny_teacher()), settings, device=DEVICE).draw(8, 8, on_step)


@pytest.mark.parametrize("train", [_train_generator, _train_generator_without_batch_norm, _refine, _distil_images])
def test_the_host_waits_once_in_25_steps_for_their_figures(train: Callable[[StepReport], None]) -> None:
    looks: list[tuple[int, int]] = []

    def on_step(done: int, total: int, figures: Mapping[str, float]) -> None:
        assert "loss" in figures
        looks.append((done, gpu.count))

    with StandInGpu() as gpu:
        train(on_step)
    assert [done for done, _ in looks] == [25, 50, 75, 100]
    assert [after - before for (_, before), (_, after) in itertools.pairwise(looks)] == [1, 1, 1]
