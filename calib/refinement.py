"""Refine the pixels themselves, image by image, until the teacher recognises them (no generator learns anything).

DeepInversion (Yin et al. 2020, arXiv 1912.08795, eq. 2-4) and ZeroQ (Cai et al. 2020, arXiv 2001.00281, eq. 3) descend
on the images of one batch:

    aim(T(x), y) + bns_weight * BNS(x) + variation_weight * TV(x)

with the aim of the teacher (`calib.aim`), for a classifier the cross-entropy CE, BNS in its normalised form
(`calib.statistics`) and TV the mean absolute difference of neighbouring pixels, as a share of the input's range. Before
each step the batch is rolled by a few pixels, so that nothing is drawn for one exact position; after it every pixel is
put back inside [low, high].

A generator learns one function for all images, which at 224 x 224 takes more steps than a CPU has minutes for; pixels
obey their own gradient, so a few dozen steps are enough, but every image costs those steps again.

Most of them can be taken at half the height and width, where one costs a quarter (`coarse_steps`); a few at full size
then bring back what is fine.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from calib.checkpoints.checkpoint import Checkpoint, Checkpoints, NoCheckpoints
from calib.checkpoints.training import Training
from calib.device.precision import mixed_precision
from calib.device.step_watch import StepWatch
from calib.device.transfer import send
from calib.gdfq import balanced_labels
from calib.input_spec import IMAGE_RANK, InputSpec
from calib.parallel.dealing import Pieces, deal, rounds
from calib.parallel.processes import ALONE, Processes
from calib.samplers import Sampler, StepReport, Steps
from calib.settings import require_at_least, require_finite
from calib.statistics import BatchNormTap, bns_loss, has_batch_norm
from calib.teacher import Teacher

BETAS = (0.9, 0.99)
SIDES_PER_SHIFT = 14  # an image is rolled by at most 1/14 of its side: 16 pixels of 224
SMOOTH_GRID = 8  # smooth noise is drawn on a grid of at most 8 x 8 and interpolated
FINE_NOISE = 0.1  # per-pixel noise beside the smooth noise, in units of the InputSpec's spread
COARSE_RATE = 2.0  # learning rate at half size, of that at full size


@dataclass(frozen=True, slots=True, kw_only=True)
class RefinementSettings:
    """How the pixels of a batch are refined.

    Attributes:
        steps: Adam steps for each batch at full size; 0 of both kinds leave the starting images as they are.
        coarse_steps: Adam steps before them at half the height and width, of teachers that take such images; at full
            size, half as many, of others.
        batch: images refined together, whose common statistics BNS compares; a draw is split into equal batches of at
            most so many.
        learning_rate: Adam's, at the start, as a fraction of the input's range; falls to 0 by a cosine.
        bns_weight: weight of the BNS loss beside the cross-entropy; without effect for a teacher without BatchNorm.
        variation_weight: weight of the total variation.
    """

    steps: int
    batch: int
    learning_rate: float
    bns_weight: float
    variation_weight: float
    coarse_steps: int = 0

    def __post_init__(self) -> None:
        """Reject what cannot be run."""
        require_at_least(self, steps=0, coarse_steps=0, batch=1)
        require_finite(self, "learning_rate", "bns_weight", "variation_weight")


class RefinedSampler:
    """Draw images from another sampler, or smooth noise where there is none, and refine them.

    Every draw starts from fresh images and takes `steps` steps a batch: exactly what is asked for is made. On one
    machine and one number of threads the same seed and the same draws give the same bytes.
    """

    def __init__(
        self,
        teacher: Teacher,
        settings: RefinementSettings,
        *,
        start: Sampler | None = None,
        seed: int = 0,
        device: str = "cpu",
        checkpoints: Checkpoints | None = None,
        processes: Processes = ALONE,
    ) -> None:
        """Keep a frozen copy of the teacher on `device`; the images begin as those that `start` draws.

        `checkpoints` keep every batch of every draw; None keeps nothing. Batches are dealt to the processes.
        """
        self.source = "refined noise" if start is None else f"{start.source}+refinement"
        self._start = start
        self._teacher = copy.deepcopy(teacher.network).eval().requires_grad_(False).to(device)
        self._has_batch_norm = has_batch_norm(self._teacher)
        self._input_spec = teacher.input_spec
        self._aim = teacher.aim
        self._settings = settings
        self._device = device
        self._random = torch.Generator().manual_seed(seed)
        self._checkpoints = checkpoints or NoCheckpoints()
        self._processes = processes
        self._draws = 0
        if settings.coarse_steps and len(self._input_spec.shape) == IMAGE_RANK:
            self._teacher.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._stages = self._plan_stages()

    def draw(self, count: int, batch: int, on_step: StepReport | None = None) -> tuple[Tensor, Tensor]:
        """Draw `count` images float32 [N, C, H, W] and the labels int64 [N] they were refined towards, on the CPU.

        `batch` bounds only the drawing of the starting images. The figures of a step are `loss`, those of the aim,
        `bns` (with BatchNorm) and `variation`; its counts are those of the whole draw.

        Raises:
            FloatingPointError: the loss became NaN or infinite.
        """
        if self._start is None:
            images = _smooth_noise(count, self._input_spec, self._random)
            labels = balanced_labels(count, torch.arange(self._aim.conditions), self._random)
        else:
            images, labels = self._start.draw(count, batch)
        batches = max(1, math.ceil(count / self._settings.batch))
        parts = [*zip(images.tensor_split(batches), labels.tensor_split(batches), strict=True)]
        steps = sum(stage.steps for stage in self._stages)
        total = rounds(self._processes, batches) * steps
        self._draws += 1
        draw = self._draws

        def refine(number: int, checkpoint: Checkpoint) -> Tensor:
            done = number // self._processes.size * steps
            return self._refine(*parts[number], Steps(done, total, on_step), checkpoint)

        pieces = Pieces(
            do=refine,
            skip=self._skip,
            random=self._random,
            checkpoint=lambda number: self._checkpoints.of(f"make images/{draw}.{number + 1}"),
        )
        return torch.cat(deal(self._processes, batches, pieces)), labels

    def _skip(self, number: int) -> None:
        """Draw the random numbers of a batch that another process refines; they are the same for every batch."""
        del number
        for stage in self._stages:
            blank = torch.empty((1, self._input_spec.shape[0], *stage.sides))
            for _ in range(stage.steps):
                self._rolled(blank)

    def _plan_stages(self) -> list[_Stage]:
        """What is done at which size, in order."""
        settings, sides = self._settings, self._input_spec.shape[1:]
        full = _Stage(sides=sides, steps=settings.steps, learning_rate=settings.learning_rate)
        if not settings.coarse_steps:
            return [full]
        half = tuple(side // 2 for side in sides)
        if not self._takes(half):
            return [dataclasses.replace(full, steps=settings.steps + settings.coarse_steps // 2)]
        rate = COARSE_RATE * settings.learning_rate
        return [_Stage(sides=half, steps=settings.coarse_steps, learning_rate=rate), full]

    def _takes(self, sides: tuple[int, ...]) -> bool:
        """Whether the teacher gives as many outputs for images of other sides as for its own."""
        spec = self._input_spec
        if spec.by_name or len(spec.shape) != IMAGE_RANK:
            return False
        image = torch.zeros((1, spec.shape[0], *sides), device=self._device)
        try:
            with torch.no_grad():
                coarse, full = self._teacher(image), self._teacher(image.new_zeros((1, *spec.shape)))
        except RuntimeError:  # a shape that the graph states
            return False
        return isinstance(full, Tensor) and coarse.shape == full.shape

    @torch.enable_grad()
    def _refine(self, images: Tensor, labels: Tensor, steps: Steps, checkpoint: Checkpoint) -> Tensor:
        """Refine one batch; what is optimised is the share of the range, 0 at `low` and 1 at `high`."""
        spec = self._input_spec
        saved = checkpoint.load() or {"stage": -1}
        if "images" in saved:
            self._random.set_state(saved["random"])
            done: Tensor = saved["images"]
            return done
        low, high = (send(spec.plane(values), self._device) for values in (spec.low, spec.high))
        labels = send(labels, self._device)
        watch = StepWatch(
            sum(stage.steps for stage in self._stages),
            self._device,
            steps.report,
            diverged=lambda number: f"refinement diverged at step {steps.before + number}: the loss is not finite",
        )
        shares = ((send(images, self._device) - low) / (high - low)).clamp_(0, 1)
        for number, stage in enumerate(self._stages):
            if number < saved["stage"]:
                continue
            before = sum(earlier.steps for earlier in self._stages[:number])
            resumed = number == saved["stage"]
            shares = (
                send(saved["shares"], self._device) if resumed else _resized(shares, stage.sides)
            ).requires_grad_()
            optimizer = torch.optim.Adam([shares], lr=stage.learning_rate, betas=BETAS)
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, stage.steps))
            training = Training({"optimizer": optimizer, "schedule": schedule}, self._random)
            for step in range(training.restore(saved) if resumed else 0, stage.steps):
                rolled = self._rolled(shares)
                loss, facts = self._loss(low + rolled * (high - low), rolled, labels)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                schedule.step()
                with torch.no_grad():
                    shares.clamp_(0, 1)
                watch.step(before + step + 1, facts, last=step + 1 == stage.steps)
                checkpoint.step(partial(training.state, step + 1, stage=number, shares=shares))
            shares = shares.detach()
        refined = (low + shares * (high - low)).clamp(low, high).contiguous().cpu()
        checkpoint.finish(lambda: {"images": refined, "random": self._random.get_state()})
        return refined

    def _loss(self, images: Tensor, shares: Tensor, labels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        facts = {"variation": torch.stack([total_variation(part) for part in self._input_spec.split(shares)]).sum()}
        with BatchNormTap(self._teacher) as tap:
            with mixed_precision(self._device, min(self._input_spec.image_shape[1:], default=1)):
                outputs = self._teacher(images)
            if self._has_batch_norm:
                facts["bns"] = bns_loss(tap)
        aim, figures = self._aim.loss(outputs, labels)
        loss = aim + self._settings.variation_weight * facts["variation"]
        if self._has_batch_norm:
            loss = loss + self._settings.bns_weight * facts["bns"]
        return loss, {"loss": loss, **figures, **facts}

    def _rolled(self, shares: Tensor) -> Tensor:
        """Every input of a batch, rolled along its axes of positions."""
        parts = self._input_spec.split(shares)
        rolled = [
            torch.roll(part, self._shift(part.shape[2:]), dims=tuple(range(2, part.dim()))) if part.dim() > 2 else part
            for part in parts
        ]
        return rolled[0] if len(parts) == 1 else torch.cat([part.flatten(1) for part in rolled], dim=1)

    def _shift(self, sides: Sequence[int]) -> tuple[int, ...]:
        """Choose the positions to roll by along each axis, in either direction."""
        farthest = (side // SIDES_PER_SHIFT for side in sides)
        return tuple(int(torch.randint(-most, most + 1, (1,), generator=self._random)) for most in farthest)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    """Steps at one size of the images, `sides`."""

    sides: tuple[int, ...]
    steps: int
    learning_rate: float


def _resized(shares: Tensor, sides: tuple[int, ...]) -> Tensor:
    """Images [N, C, H, W] of shares, of other sides: means where they are smaller, interpolated where larger."""
    if tuple(shares.shape[2:]) == sides:
        return shares
    if sides < tuple(shares.shape[2:]):
        return functional.interpolate(shares, sides, mode="area")
    return functional.interpolate(shares, sides, mode="bicubic").clamp_(0, 1)


def total_variation(images: Tensor) -> Tensor:
    """Average |difference| of neighbours in [N, C, ...], summed over the axes of positions; 0 where there are none."""
    differences = [images.diff(dim=dim).abs() for dim in range(2, images.dim())]
    parts = [part.mean() if part.numel() else images.new_zeros(()) for part in differences]
    return torch.stack(parts).sum() if parts else images.new_zeros(())


def _smooth_noise(count: int, input_spec: InputSpec, random: torch.Generator) -> Tensor:
    """Noise [count, C, H, W] on a coarse grid, interpolated, with a little noise in every pixel, inside the range."""
    channels, height, width = input_spec.shape
    grid = (min(SMOOTH_GRID, height), min(SMOOTH_GRID, width))
    coarse = torch.randn((count, channels, *grid), generator=random)
    smooth = functional.interpolate(coarse, (height, width), mode="bilinear")
    return input_spec.from_noise(smooth + FINE_NOISE * torch.randn(smooth.shape, generator=random))
