"""Teachers small enough to train a generator on in a test."""

from __future__ import annotations

import torch
from torch import nn

from calib import InputSpec, Teacher
from calib.aim import ClassAim

SPEC = InputSpec(shape=(3, 12, 12), scale=255.0, mean=(0.5, 0.4, 0.3), std=(0.25, 0.25, 0.2))
CLASSES = 4


def teacher_of(network: nn.Module, spec: InputSpec = SPEC) -> Teacher:
    """The network as samplers take it."""
    return Teacher(network=network, input_spec=spec, aim=ClassAim(CLASSES))


def tiny_teacher(*, batch_norm: bool = True, pooled: bool = True, side: int = 12) -> nn.Module:
    """A frozen two-layer classifier of 3 x side x side images; its BatchNorm has seen standard normal images."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        layers: list[nn.Module] = [nn.Conv2d(3, 8, 3, padding=1)]
        if batch_norm:
            layers.append(nn.BatchNorm2d(8))
        layers += [nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2, padding=1)]
        if batch_norm:
            layers.append(nn.BatchNorm2d(8))
        layers.append(nn.ReLU())
        cells = 1 if pooled else ((side + 1) // 2) ** 2
        layers += [nn.AdaptiveAvgPool2d(1)] if pooled else []
        layers += [nn.Flatten(), nn.Linear(8 * cells, CLASSES)]
        teacher = nn.Sequential(*layers)
        nn.init.normal_(teacher[-1].weight, std=2.0)
        for _ in range(30):
            teacher(torch.randn(16, 3, side, side))
    return teacher.eval().requires_grad_(False)
