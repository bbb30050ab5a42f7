"""GDFQ's fine-tuning as published (Xu et al. 2020, algorithm 1; github.com/xushoukai/GDFQ, trainer.py).

Every step trains the generator once, then the low-bit network S on the same images by

    CE(S(x), y) + alpha * T^2 * KL(softmax(T(x) / T) || softmax(S(x) / T)),   T = 20

with SGD (Nesterov 0.9, weight decay 1e-4 on everything), the rate falling to a tenth with the generator's. At first
only the generator is trained; while ranges are followed, every activation quantizer takes the moving average of its
batches' extremes (`calib.ranges.moving_range`), then keeps it. Weight scales are those of the largest weight of each
channel, taken anew at each step; gradients pass every quantizer as if it were not there, clipped values included. There
is no augmentation and no choice among checkpoints (the authors report the best epoch on the test set).

The authors' `nn.KLDivLoss()` divides by batch and classes, not by the batch alone, so that with ten classes the
divergence weighs 40 and not 400; `kl_reduction: mean` is what they ran, `batchmean` what the paper says.

What differs here, because it is what a target runs: points and grid are the plan's (weights symmetric, the input, sums
and pooled features quantized as well), and BatchNorm is folded, so that instead of its gain and bias the folded weight
and bias are trained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.hooks import RemovableHandle

from calib.aim import class_scores
from calib.checkpoints.checkpoint import Checkpoint, NoCheckpoint, State
from calib.checkpoints.training import Stateful
from calib.ranges.moving_range import MovingRange
from gdfq_export.baselines.published_gdfq import PublishedGdfq, milestones
from gdfq_export.errors import InputError
from gdfq_export.planning.plan import Role
from gdfq_export.recipe import PublishedFineTune
from gdfq_export.simulator import Mode, Quantizer, Simulator
from gdfq_export.tasks.outputs import as_tuple
from gdfq_export.tuning.calibration import weight_scale

_MOMENTUM = 0.9
_WEIGHT_DECAY = 1e-4
_FEWEST_STEPS = 100  # a moving average over the first few batches of an untrained generator is no range


def published_finetune(
    simulator: Simulator,
    trainer: PublishedGdfq,
    settings: PublishedFineTune,
    *,
    on_step: Callable[[int, int, Mapping[str, float]], None],
    checkpoint: Checkpoint | None = None,
) -> None:
    """Train generator and simulator side by side, from the first to the last step of the trainer's schedule.

    Args:
        simulator: with the float network's parameters; needs no calibration, leaves calibrated, in quantizing mode.
        trainer: of the generator, untrained; its settings hold the number of steps.
        settings: schedule and weights of the loss.
        on_step: called with steps done, steps in all, and the figures of the step.
        checkpoint: where the training is kept, and continued from; None keeps nothing.

    Raises:
        InputError: a loss became NaN or infinite.
    """
    total = trainer.settings.steps
    warm_up, followed = steps_of(settings.warmup, total), steps_of(settings.followed, total)
    scales = {id(scale) for scale in simulator.quantization_parameters()}
    trained = [parameter for parameter in simulator.network.parameters() if id(parameter) not in scales]
    optimizer = torch.optim.SGD(
        trained, lr=settings.learning_rate, momentum=_MOMENTUM, weight_decay=_WEIGHT_DECAY, nesterov=True
    )
    simulator.set_mode(Mode.QUANTIZE)
    with _training(simulator, trained), _published_quantizers(simulator), ExitStack() as following:
        averages = following.enter_context(_followed_ranges(simulator))
        run = _Training(simulator, trainer, optimizer, averages)
        checkpoint = checkpoint or NoCheckpoint()
        for step in range(run.restore(checkpoint.load()), total):
            if step >= followed:
                following.close()
            try:
                made = trainer.step()
            except FloatingPointError as error:
                raise InputError(f"{error} (data.published.learning_rate in the recipe)") from error
            facts = dict(made.facts)
            if step >= warm_up:
                drops = sum(step >= milestone for milestone in milestones(total))
                optimizer.param_groups[0]["lr"] = settings.learning_rate * 0.1**drops
                facts["loss"] = _train(simulator, optimizer, made.images, made.labels, made.logits, settings)
            elif step < followed:
                with torch.no_grad():
                    simulator(made.images)
            on_step(step + 1, total, facts)
            checkpoint.step(run.state)
        checkpoint.finish(run.state)
    _set_weight_scales(simulator)


class _Training:
    """The state of both networks, of the optimizer, and of the ranges that are followed."""

    def __init__(
        self,
        simulator: Simulator,
        trainer: PublishedGdfq,
        optimizer: torch.optim.Optimizer,
        averages: Mapping[str, MovingRange],
    ) -> None:
        self._parts: dict[str, Stateful] = {"simulator": simulator, "trainer": trainer, "optimizer": optimizer}
        self._trainer = trainer
        self._averages = averages

    def state(self) -> State:
        """Everything that the steps behind depend on."""
        parts = {name: part.state_dict() for name, part in self._parts.items()}
        return {**parts, "ranges": {key: average.state() for key, average in self._averages.items()}}

    def restore(self, saved: State | None) -> int:
        """Put a state back, where there is one; the number of steps that are done."""
        if saved is not None:
            for name, part in self._parts.items():
                part.load_state_dict(saved[name])
            for key, average in self._averages.items():
                average.restore(saved["ranges"][key])
        return self._trainer.done


def steps_of(share: float, total: int) -> int:
    """Count the steps that a share of a run is: at least 100, but no more than a quarter of the run.

    In a run of the published length the bound is without effect; one that is cut to some hundred steps would otherwise
    take its ranges from the first few batches.
    """
    return max(round(share * total), min(_FEWEST_STEPS, max(1, total // 4)))


def _train(
    simulator: Simulator,
    optimizer: torch.optim.Optimizer,
    images: Tensor,
    labels: Tensor,
    target: Tensor,
    settings: PublishedFineTune,
) -> float:
    """Take one step; gives the loss before it."""
    loss = student_loss(as_tuple(simulator(images))[0], target, labels, settings)
    if not torch.isfinite(loss):
        raise InputError("fine-tuning diverged: lower tuning.published.learning_rate in the recipe")
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return loss.item()


def student_loss(logits: Tensor, target: Tensor, labels: Tensor, settings: PublishedFineTune) -> Tensor:
    """Cross-entropy plus the weighted divergence from the teacher's logits `target` [N, classes]."""
    logits, target = class_scores(logits), class_scores(target)
    divergence = functional.kl_div(
        functional.log_softmax(logits / settings.temperature, dim=1),
        functional.softmax(target / settings.temperature, dim=1),
        reduction="batchmean",
    )
    if settings.kl_reduction == "mean":
        divergence = divergence / logits.shape[1]
    return functional.cross_entropy(logits, labels) + settings.alpha * settings.temperature**2 * divergence


@contextmanager
def _training(simulator: Simulator, trained: list[nn.Parameter]) -> Iterator[None]:
    """Let `trained`, and no other parameter, take gradients inside the block, and none after it."""
    simulator.network.requires_grad_(False)
    for parameter in trained:
        parameter.requires_grad_(True)
    try:
        yield
    finally:
        simulator.network.requires_grad_(False)
        for parameter in trained:
            parameter.grad = None


@contextmanager
def _published_quantizers(simulator: Simulator) -> Iterator[None]:
    """Inside the block gradients pass every quantizer unchanged, and weight scales follow the weights."""
    handles: list[RemovableHandle] = []
    for quantizer in simulator.quantizers.values():
        handles.append(quantizer.register_forward_hook(_pass_gradients))
        if quantizer.point.role is Role.INPUT:
            quantizer.set_range(quantizer.point.low, quantizer.point.high)
        elif quantizer.point.role in (Role.WEIGHT, Role.CONSTANT):
            handles.append(quantizer.register_forward_pre_hook(_span_values))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _followed_ranges(simulator: Simulator) -> Iterator[Mapping[str, MovingRange]]:
    """Inside the block every activation quantizer follows what passes through it, before it quantizes.

    Yields:
        The ranges by the keys of the quantizers.
    """
    handles, averages = [], {}
    for key, quantizer in simulator.quantizers.items():
        if quantizer.point.role is Role.ACTIVATION:
            averages[key] = MovingRange()
            handles.append(quantizer.register_forward_pre_hook(_Follower(averages[key])))
    try:
        yield averages
    finally:
        for handle in handles:
            handle.remove()


class _Follower:
    """Forward pre-hook of one quantizer: takes the input's extremes into the moving average and sets the range."""

    def __init__(self, average: MovingRange) -> None:
        self._average = average

    def __call__(self, quantizer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(quantizer, Quantizer)
        self._average.observe(inputs[0])
        quantizer.set_range(*self._average.range())


def _span_values(quantizer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """Forward pre-hook: the scale of the largest value there is now, of each channel where there are channels."""
    assert isinstance(quantizer, Quantizer)
    values = inputs[0].detach()
    if quantizer.point.axis is None:
        quantizer.set_range(float(values.min()), float(values.max()))
    else:
        quantizer.set_scale(weight_scale(quantizer, values, search=False))


def _pass_gradients(quantizer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """Forward hook: the same output, with the gradient of the identity."""
    del quantizer
    passed: Tensor = _StraightThrough.apply(inputs[0], output.detach())  # type: ignore[no-untyped-call]
    return passed


def _set_weight_scales(simulator: Simulator) -> None:
    """Set the scales of weights and constants of the final parameters."""
    for quantizer in simulator.quantizers.values():
        if quantizer.point.role in (Role.WEIGHT, Role.CONSTANT):
            _span_values(quantizer, (simulator.parameter(quantizer.point.tensor),))


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, quantized: Tensor) -> Tensor:
        return quantized.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return gradients[0], None
