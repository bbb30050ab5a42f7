"""Images of a sampler that was killed and continued have the bytes of one that was not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from calib import NoiseSampler, RefinedSampler, RefinementSettings
from calib.checkpoints.checkpoint import Checkpoints
from calib.gdfq import GeneratorTraining, train_gdfq
from calib.zeroq import ZeroQSampler, ZeroQSettings
from tests.calib.tiny_teacher import CLASSES, SPEC, teacher_of, tiny_teacher
from tests.support.checkpoints.kills import killed_everywhere

Drawn = list[Tensor]


def generated(checkpoints: Checkpoints) -> Drawn:
    settings = GeneratorTraining(
        steps=4, batch=8, learning_rate=1e-2, latent=8, width=8, bns_weight=5.0, bns_normalized=True,
        diversity_weight=2.0, classes=CLASSES, crop_fraction=0.0,
    )  # fmt: skip
    sampler = train_gdfq(teacher_of(tiny_teacher()), settings, checkpoint=checkpoints.of("train the generator"))
    return [*sampler.draw(8, 8), *sampler.draw(4, 4)]


def refined(checkpoints: Checkpoints) -> Drawn:
    settings = RefinementSettings(
        steps=2, coarse_steps=3, batch=4, learning_rate=0.02, bns_weight=10.0, variation_weight=1.0
    )
    start = NoiseSampler(SPEC, CLASSES)
    sampler = RefinedSampler(teacher_of(tiny_teacher()), settings, start=start, checkpoints=checkpoints)
    return [*sampler.draw(8, 8), *sampler.draw(4, 4)]


def distilled(checkpoints: Checkpoints) -> Drawn:
    settings = ZeroQSettings(steps=3, batch=4, learning_rate=0.1)
    sampler = ZeroQSampler(teacher_of(tiny_teacher()), settings, checkpoints=checkpoints)
    return [*sampler.draw(8, 8), *sampler.draw(4, 4)]


@pytest.mark.parametrize("make", [generated, refined, distilled])
def test_a_killed_sampler_gives_the_same_bytes(make: Callable[[Checkpoints], Drawn], tmp_path: Path) -> None:
    whole, *continued = killed_everywhere(make, tmp_path)
    for drawn in continued:
        assert all(map(torch.equal, drawn, whole))
