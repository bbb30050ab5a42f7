"""Distillation: the simulated low-bit network is trained to match the float network on synthetic images.

The loss is the task's error of the outputs (`Task.error`) plus the relative squared error of the features behind every
residual addition (every activation function, where there is none). Weights, biases and the logarithms of all scales are
trained by Adam under a cosine schedule; images are flipped and shifted. Adam's steps have the size of the learning rate
whatever the size of what is trained, so that of weights and biases is a share of each tensor's root mean square (as in
Adafactor, Shazeer & Stern, arXiv 1804.04235, section 8): equalization and folding leave tensors of any size.

An eighth of the images, one batch at most, is held out: where the loss on them is not lower at the end than at the
start, the training is undone. Calibration and rounding have seen them, so the start has the advantage.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, fx

from gdfq_export.recipe import FineTune
from gdfq_export.simulator import Simulator
from gdfq_export.support.text import counted
from gdfq_export.tasks.task import Task

_LARGEST_SHIFT = 1 / 16
_SMALLEST = 1e-12
_IMAGES = 4  # dimensions of a batch of them
_SMALLEST_SIZE = 1e-3
_KEPT_FROM_TRAINING = 8  # one image of so many
_FUNCTIONS = ("Relu", "Clip", "LeakyRelu")


def finetune(
    simulator: Simulator,
    reference: Simulator,
    images: Tensor,
    settings: FineTune,
    *,
    seed: int,
    on_step: Callable[[int, int, Mapping[str, float]], None],
) -> str | None:
    """Train the simulator in place; returns a sentence where the training was undone, None otherwise.

    Args:
        simulator: calibrated; its weights may already be rounded and its biases corrected.
        reference: the same network in float, the teacher.
        images: [N, C, H, W] in the network's input range.
        settings: schedule and weights of the loss.
        seed: of the order of the images and of their augmentation.
        on_step: called with steps done, steps in all, and the loss.
    """
    random = torch.Generator().manual_seed(seed)
    student = _with_features(simulator)
    teacher = _with_features(reference)
    scales = list(simulator.quantization_parameters())
    known = {id(scale) for scale in scales}
    weights = [parameter for parameter in simulator.network.parameters() if id(parameter) not in known]
    groups = [{"params": [weight], "lr": settings.learning_rate * _size(weight)} for weight in weights]
    groups.append({"params": scales, "lr": settings.scale_learning_rate})
    optimizer = torch.optim.Adam(groups)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.steps)
    simulator.network.requires_grad_(True)
    device = scales[0].device
    images, unseen = _split(images, settings.batch)
    before = {name: value.detach().clone() for name, value in simulator.network.state_dict().items()}
    measure = partial(_loss, simulator.task, student, teacher, feature_weight=settings.feature_weight)
    with torch.no_grad():
        start = float(measure(unseen.to(device)))
    for step in range(settings.steps):
        chosen = torch.randint(len(images), (settings.batch,), generator=random)
        batch = _augment(images[chosen], random).to(device)
        loss = measure(batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        on_step(step + 1, settings.steps, {"loss": loss.item()})
    simulator.network.requires_grad_(False)
    with torch.no_grad():
        end = float(measure(unseen.to(device)))
    if end < start:
        return None
    simulator.network.load_state_dict(before)
    return (
        f"fine-tuning was taken back: on {counted(len(unseen), 'image')} kept from it the loss went from "
        f"{start:.4g} to {end:.4g}; lower tuning.finetune.learning_rate in the recipe, or leave tuning.finetune out"
    )


def _size(tensor: Tensor) -> float:
    """Root mean square, not less than what lets a tensor of zeros be trained."""
    return max(_SMALLEST_SIZE, float(tensor.detach().square().mean().sqrt()))


def _split(images: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Images to train on, and at most `most` of them, an eighth, to validate with; a single image is both."""
    count = min(most, max(1, len(images) // _KEPT_FROM_TRAINING))
    return (images[:-count], images[-count:]) if len(images) > 1 else (images, images)


def time_step(simulator: Simulator, reference: Simulator, images: Tensor, settings: FineTune) -> float:
    """Seconds that one step takes, the better of two; nothing is changed."""
    student, teacher = _with_features(simulator), _with_features(reference)
    batch = images[: settings.batch].to(next(simulator.network.parameters()).device)
    seconds = []
    simulator.network.requires_grad_(True)
    for _ in range(2):
        started = time.perf_counter()
        loss = _loss(simulator.task, student, teacher, batch, feature_weight=settings.feature_weight)
        torch.autograd.grad(loss, list(simulator.network.parameters()), allow_unused=True)
        seconds.append(time.perf_counter() - started)
    simulator.network.requires_grad_(False)
    return min(seconds) * settings.batch / len(batch)


def _loss(
    task: Task, student: fx.GraphModule, teacher: fx.GraphModule, batch: Tensor, *, feature_weight: float
) -> Tensor:
    with torch.no_grad():
        target, target_features = teacher(batch)
    outputs, features = student(batch)
    return task.error(outputs, target) + feature_weight * _feature_error(features, target_features)


def _with_features(simulator: Simulator) -> fx.GraphModule:
    """The simulator's network, parameters shared, returning (outputs, features)."""
    graph = fx.Graph()
    copied: dict[fx.Node, fx.Node] = {}
    outputs = graph.graph_copy(simulator.network.graph, copied)
    sums = [node for node in simulator.network.graph.nodes if node.meta.get("op_type") == "Add"]
    chosen = sums or [node for node in simulator.network.graph.nodes if node.meta.get("op_type") in _FUNCTIONS]
    graph.output((outputs, [copied[node] for node in chosen]))
    return fx.GraphModule(simulator.network, graph)


def _feature_error(features: list[Tensor], targets: list[Tensor]) -> Tensor:
    """Mean over features of |f - t|^2 / |t|^2."""
    errors = [
        (feature - target).square().mean() / target.square().mean().clamp_min(_SMALLEST)
        for feature, target in zip(features, targets, strict=True)
    ]
    return torch.stack(errors).mean() if errors else torch.zeros(())


def _augment(images: Tensor, random: torch.Generator) -> Tensor:
    """Flip half of the images left to right, shift the batch by up to a sixteenth; other inputs stay as they are."""
    if images.dim() != _IMAGES:
        return images
    flip = torch.rand((len(images), 1, 1, 1), generator=random) < 0.5
    images = torch.where(flip, images.flip(3), images)
    reach = [math.floor(size * _LARGEST_SHIFT) for size in images.shape[2:]]
    shifts = [int(torch.randint(-limit, limit + 1, (), generator=random)) for limit in reach]
    return torch.roll(images, shifts, dims=(2, 3))
