"""Images that a classifier is surer of: the score of each image's class is raised by a few steps on its pixels.

Statistics that stand in for BatchNorm's (`stand_in_statistics.py`) are those of images without any object. Images made
to agree with them excite the last layers less than photographs do, and ranges observed on them clip what those layers
give: in a ResNet-32 for CIFAR-10 half of what photographs reach. Some images whose outputs are stretched widen these
ranges and leave the first layers' as they are (Dikstein et al., "Data Generation for Hardware-Friendly Post-Training
Quantization", WACV 2025, arXiv 2410.22110, stretch outputs so that the last layer's range is covered).
"""

from __future__ import annotations

import copy
import dataclasses

import torch
from torch import Tensor

from calib.aim import class_scores
from calib.refinement import BETAS, total_variation
from calib.samplers import Sampler, StepReport
from calib.teacher import Teacher

_ONE_OF = 8
_STEPS = 5
_LEARNING_RATE = 1e-2  # of the input's range
_BATCH = 64
_SMALLEST_SPREAD = 1e-12  # of scores


class StretchedSampler:
    """Another sampler's images, every eighth of them stretched.

    Args:
        images: where the images come from.
        teacher: a classifier; a frozen copy of it is kept on `device`.
        device: torch device to compute on; images are returned on the CPU.
    """

    def __init__(self, images: Sampler, teacher: Teacher, device: str = "cpu") -> None:
        self._images = images
        network = copy.deepcopy(teacher.network).eval().requires_grad_(False).to(device)
        self._teacher = dataclasses.replace(teacher, network=network)
        self._device = device
        self.source = f"{images.source}+stretching"

    def draw(self, count: int, batch: int, on_step: StepReport | None = None) -> tuple[Tensor, Tensor]:
        """Draw images float32 `[count, C, H, W]` and labels int64 `[count]`."""
        images, labels = self._images.draw(count, batch, on_step)
        for chosen in torch.arange(0, count, _ONE_OF).split(_BATCH):
            images[chosen] = stretched(images[chosen].to(self._device), self._teacher).cpu()
        return images, labels


@torch.enable_grad()
def stretched(images: Tensor, teacher: Teacher) -> Tensor:
    """Images `[N, C, H, W]` after five steps that raise the score of the class each of them is taken for.

    The total variation is held down, as in refinement (`calib.refinement`).
    """
    spec = teacher.input_spec
    low, high = spec.plane(spec.low).to(images), spec.plane(spec.high).to(images)
    shares = ((images - low) / (high - low)).clamp(0, 1).requires_grad_()
    optimizer = torch.optim.Adam([shares], lr=_LEARNING_RATE, betas=BETAS)
    answers: Tensor | None = None
    for _ in range(_STEPS):
        scores = class_scores(teacher.network(low + shares * (high - low)))
        answers = scores.argmax(dim=1, keepdim=True) if answers is None else answers
        raised = scores.gather(1, answers).mean() / scores.detach().std().clamp_min(_SMALLEST_SPREAD)
        loss = total_variation(shares) - raised
        (shares.grad,) = torch.autograd.grad(loss, [shares])
        optimizer.step()
        with torch.no_grad():
            shares.clamp_(0, 1)
    return (low + shares.detach() * (high - low)).clamp(low, high)
