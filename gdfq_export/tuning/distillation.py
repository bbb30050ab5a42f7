"""Distillation: the simulated low-bit network is trained to match the float network on synthetic images.

The loss is the task's error of the outputs (`Task.error`) plus the relative squared error of the features behind every
residual addition (every activation function, where there is none). Weights, biases and the logarithms of all scales are
trained by Adam under a cosine schedule; images are flipped and shifted. Adam's steps have the size of the learning rate
whatever the size of what is trained, so that of weights and biases is a share of each tensor's root mean square (as in
Adafactor, Shazeer & Stern, arXiv 1804.04235, section 8): equalization and folding leave tensors of any size.

An eighth of the images, one batch at most, is held out. The error of the outputs on them is measured before the
training, at the end, and some twenty times in between, which takes a few per cent of the time: the best state is left,
which is the last one unless another is better by more than 2 %. Where none is better than the start, the training is
undone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, fx

from calib.checkpoints.checkpoint import Checkpoint, NoCheckpoint
from calib.checkpoints.training import Stateful, Training
from calib.device.memory import near
from calib.device.step_watch import StepWatch
from calib.device.transfer import send
from calib.parallel.gradients import gathered, shared_mean
from calib.parallel.processes import ALONE, Processes, Share
from gdfq_export.recipe import FineTune
from gdfq_export.simulator import Simulator
from gdfq_export.support.clocks.device_clock import seconds_now
from gdfq_export.support.text import counted
from gdfq_export.tasks.task import Task
from gdfq_export.tuning.best_state import BestState
from gdfq_export.tuning.held_out import HeldOutFigures, HeldOutImages, split

_LARGEST_SHIFT = 1 / 16
_SMALLEST = 1e-12
_IMAGES = 4  # dimensions of a batch of them
_SMALLEST_SIZE = 1e-3
_FUNCTIONS = ("Relu", "Clip", "LeakyRelu")
_CHECKPOINTS = 20
_CLOSEST_CHECKPOINTS = 5  # steps


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuned:
    """What fine-tuning came to.

    Attributes:
        steps: that were made.
        kept: the step whose state was left, 0: the one before the training.
        warnings: what the user should know.
    """

    steps: int
    kept: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """How a training is followed.

    Attributes:
        on_measured: called with steps done and what was measured on the held-out images.
        time_is_up: asked whether to stop, after each step whose loss is looked at.
        checkpoint: where the training is kept, and continued from.
        processes: that share each batch; losses are those of the whole batch.
    """

    on_measured: Callable[[int, HeldOutFigures], None] = lambda step, figures: None
    time_is_up: Callable[[], bool] = lambda: False
    checkpoint: Checkpoint = field(default_factory=NoCheckpoint)
    processes: Processes = ALONE


def finetune(
    simulator: Simulator,
    reference: Simulator,
    images: Tensor,
    settings: FineTune,
    *,
    seed: int,
    on_step: Callable[[int, int, Mapping[str, float]], None],
    follow: Following | None = None,
) -> FineTuned:
    """Train the simulator in place.

    Args:
        simulator: calibrated; its weights may already be rounded and its biases corrected.
        reference: the same network in float, the teacher.
        images: [N, C, H, W] in the network's input range.
        settings: schedule and weights of the loss.
        seed: of the order of the images and of their augmentation.
        on_step: called with steps done, steps in all, and the loss; on a GPU after some (`calib.device.step_watch`).
        follow: who is told of measurements, when it must end, and where its state is kept; None: nothing of it.
    """
    follow = follow or Following()
    random = torch.Generator().manual_seed(seed)
    student = _with_features(simulator)
    teacher = _with_features(reference)
    scales = list(simulator.quantization_parameters())
    known = {id(scale) for scale in scales}
    weights = [parameter for parameter in simulator.network.parameters() if id(parameter) not in known]
    sizes = zip(weights, _sizes(weights), strict=True)
    groups = [{"params": [weight], "lr": settings.learning_rate * size} for weight, size in sizes]
    groups.append({"params": scales, "lr": settings.scale_learning_rate})
    optimizer = torch.optim.Adam(groups)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.steps)
    simulator.network.requires_grad_(True)
    device = scales[0].device
    images, unseen = split(images, settings.batch)
    images = near(images, device)
    held_out = HeldOutImages(unseen, reference)
    error = held_out.measure(simulator).error
    best, interval = BestState(simulator, error), checkpoint_interval(settings.steps)
    parts: dict[str, Stateful] = {
        "network": simulator.network,
        "optimizer": optimizer,
        "schedule": schedule,
        "best": best,
    }
    training, saved = Training(parts, random), follow.checkpoint.load()
    step, last = 0, False
    if saved is not None:
        step, error, last = training.restore(saved), saved["error"], saved["last"]
    watch = StepWatch(settings.steps, device, lambda done, figures: on_step(done, settings.steps, figures))
    share = follow.processes.share(settings.batch)
    while not last:
        step += 1
        chosen = torch.randint(len(images), (settings.batch,), generator=random)
        batch = send(share.take(_augment(images[send(chosen, images.device)], random)), device)
        loss = _loss(simulator.task, student, teacher, batch, feature_weight=settings.feature_weight, share=share)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        share.processes.add_gradients(simulator.network.parameters())
        optimizer.step()
        schedule.step()
        last = step == settings.steps
        watch.step(step, {"loss": loss}, last=last)
        last = last or (watch.due(step) and follow.processes.from_first(follow.time_is_up))
        if last or step % interval == 0:
            figures = held_out.measure(simulator)
            follow.on_measured(step, figures)
            error = figures.error
            best.offer(error, step)
        if not last:
            follow.checkpoint.step(partial(training.state, step, error=error, last=False))
    follow.checkpoint.finish(partial(training.state, step, error=error, last=True))
    simulator.network.requires_grad_(False)
    kept = best.settle(error, step)
    return FineTuned(steps=step, kept=kept, warnings=tuple(_warnings(best, error, step, settings, len(unseen))))


def _warnings(best: BestState, error: float, step: int, settings: FineTune, images: int) -> Iterator[str]:
    if step < settings.steps:
        yield (
            f"fine-tuning stopped at step {step} of {settings.steps}, when the time budget was used up: steps took "
            "longer than when they were timed, and the recipe without a budget does not repeat this run"
        )
    if best.step == 0:
        yield (
            f"fine-tuning was taken back: on {counted(images, 'image')} kept from it the error of the outputs went "
            f"from {best.start:.4g} to {error:.4g}; lower tuning.finetune.learning_rate in the recipe, or leave "
            "tuning.finetune out"
        )


def checkpoint_interval(steps: int) -> int:
    """Steps between two measurements: twenty in a long training, not more often than each fifth step in a short one.

    A measurement costs a quarter of a step, since the float network's outputs are kept and nothing is differentiated.
    """
    return max(_CLOSEST_CHECKPOINTS, math.ceil(steps / _CHECKPOINTS))


def _sizes(tensors: Sequence[Tensor]) -> list[float]:
    """Root mean square of each tensor, not less than what lets a tensor of zeros be trained."""
    squares = [tensor.detach().square().mean().sqrt() for tensor in tensors]
    return [max(_SMALLEST_SIZE, size) for size in torch.stack(squares).tolist()] if squares else []


def time_step(simulator: Simulator, reference: Simulator, images: Tensor, settings: FineTune) -> float:
    """Seconds that one step takes, the better of two; nothing is changed."""
    student, teacher = _with_features(simulator), _with_features(reference)
    batch = images[: settings.batch].to(next(simulator.network.parameters()).device)
    seconds = []
    simulator.network.requires_grad_(True)
    for _ in range(2):
        started = seconds_now()
        loss = _loss(simulator.task, student, teacher, batch, feature_weight=settings.feature_weight)
        torch.autograd.grad(loss, list(simulator.network.parameters()), allow_unused=True)
        seconds.append(seconds_now() - started)
    simulator.network.requires_grad_(False)
    return min(seconds) * settings.batch / len(batch)


def _loss(
    task: Task,
    student: fx.GraphModule,
    teacher: fx.GraphModule,
    batch: Tensor,
    *,
    feature_weight: float,
    share: Share | None = None,
) -> Tensor:
    """The loss of all images, of which `batch` are those of this process."""
    share = ALONE.share(len(batch)) if share is None else share
    with torch.no_grad():
        target, target_features = teacher(batch)
    outputs, features = student(batch)
    error = task.error(gathered(outputs, share), gathered(target, share))
    return error + feature_weight * _feature_error(features, target_features, share)


def _with_features(simulator: Simulator) -> fx.GraphModule:
    """The simulator's network, parameters shared, returning (outputs, features)."""
    graph = fx.Graph()
    copied: dict[fx.Node, fx.Node] = {}
    outputs = graph.graph_copy(simulator.network.graph, copied)
    sums = [node for node in simulator.network.graph.nodes if node.meta.get("op_type") == "Add"]
    chosen = sums or [node for node in simulator.network.graph.nodes if node.meta.get("op_type") in _FUNCTIONS]
    graph.output((outputs, [copied[node] for node in chosen]))
    return fx.GraphModule(simulator.network, graph)


def _feature_error(features: list[Tensor], targets: list[Tensor], share: Share) -> Tensor:
    """Mean over features of |f - t|^2 / |t|^2, both over all images."""
    if not features:
        return torch.zeros(())
    errors = [(feature - target).square().mean() for feature, target in zip(features, targets, strict=True)]
    powers = [target.square().mean() for target in targets]
    error, power = shared_mean(torch.stack([torch.stack(errors), torch.stack(powers)]), share)
    whole: Tensor = (error / power.clamp_min(_SMALLEST)).mean()
    return whole


def _augment(images: Tensor, random: torch.Generator) -> Tensor:
    """Flip half of the images left to right, shift the batch by up to a sixteenth; other inputs stay as they are."""
    if images.dim() != _IMAGES:
        return images
    flip = send(torch.rand((len(images), 1, 1, 1), generator=random) < 0.5, images.device)
    images = torch.where(flip, images.flip(3), images)
    reach = [math.floor(size * _LARGEST_SHIFT) for size in images.shape[2:]]
    shifts = [int(torch.randint(-limit, limit + 1, (), generator=random)) for limit in reach]
    return torch.roll(images, shifts, dims=(2, 3))
