"""Train the conditional generator on a frozen teacher (GDFQ, Xu et al. 2020, algorithm 1, its generator half).

The loss of one step on a batch of fresh latents and labels:

    aim(T(G(z, y)), y) + bns_weight * BNS + diversity_weight * D

where the aim is the teacher's (`calib.aim`), for a classifier the cross-entropy as published.

D fights mode collapse, which neither of the other terms sees. The second half of every batch repeats the labels of
the first half with other latents; D asks the coarse (8x8 averaged) root mean square distance of each such pair, in
units of the input range, to reach NATURAL_DISTANCE, and is 0 above it (the diversity term of DSGAN, Yang et al. 2019,
eq. 4, with its bound; MSGAN, Mao et al. 2019, divides by the latents' distance, which for Gaussian latents is nearly
constant).

Two things keep large networks affordable on a CPU. For images of 64 pixels or more the first `crop_fraction`
of the steps makes and scores only a random window of the coarse grid, about a third of the image at full scale:
BatchNorm moments are means over positions, so a crop has nearly those of the whole, and a network that ends in global
pooling takes any size (one that does not is trained on whole images). And of a thousand classes a short training
cannot learn all: `classes` says how many, chosen at random, it learns and draws.

A teacher without BatchNorm (folded before it came here) has no BNS; a mild prior on images takes its place: total
variation, and the distance of each channel's mean and standard deviation from the InputSpec's `centre` and `spread`.
"""

from __future__ import annotations

import contextlib
import copy
import io
import math
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from calib.aim import output_shapes
from calib.checkpoints.checkpoint import Checkpoint, NoCheckpoint
from calib.checkpoints.training import Training
from calib.device.step_watch import StepWatch
from calib.device.transfer import send
from calib.generator import ConditionalGenerator
from calib.parallel.gradients import gathered, with_shared_norms
from calib.parallel.processes import ALONE, Processes, Share
from calib.samplers import StepReport
from calib.settings import require_at_least, require_finite
from calib.statistics import BatchNormTap, bns_loss, has_batch_norm
from calib.teacher import Teacher

NATURAL_DISTANCE = 0.3
DIVERSITY_GRID = 8
SMALLEST_CROPPED = 64
SETTLING_BATCHES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorTraining:
    """How a generator is built and trained.

    Attributes:
        steps: optimizer steps; 0 gives an untrained generator.
        batch: images a step, at least 2.
        learning_rate: Adam's, at the start; falls to 0 by a cosine.
        latent: length of z.
        width: channels of the generator's coarse grid.
        bns_weight: weight of the BNS loss (or of the image prior, for a teacher without BatchNorm).
        bns_normalized: errors in units of the running standard deviation; False is the published form.
        diversity_weight: weight of the distance between two images of one label; 0 is GDFQ as published.
        classes: how many classes to learn and draw, chosen at random; all where the network has no more.
        crop_fraction: share of the steps, from the start, on crops of large images; 0 to 1.
    """

    steps: int
    batch: int
    learning_rate: float
    latent: int
    width: int
    bns_weight: float
    bns_normalized: bool
    diversity_weight: float
    classes: int
    crop_fraction: float

    def __post_init__(self) -> None:
        """Reject what cannot be trained."""
        require_at_least(self, steps=0, batch=2, latent=1, width=1, classes=1)
        require_finite(self, "learning_rate", "bns_weight", "diversity_weight")
        if not 0 <= self.crop_fraction <= 1:
            raise ValueError(f"crop_fraction is {self.crop_fraction}; give 0 to 1")


class GdfqSampler:
    """Draw images from a trained generator; every draw continues one random stream, so two draws differ."""

    source = "gdfq"

    def __init__(self, generator: ConditionalGenerator, classes: Tensor, latent: int, seed: int) -> None:
        """Keep a trained generator and the labels int64 [K] that it has learned."""
        self._generator = generator.eval()
        self._device = generator.low.device
        self._classes = classes
        self._latent = latent
        self._random = torch.Generator().manual_seed(seed)

    @torch.no_grad()
    def draw(self, count: int, batch: int, on_step: StepReport | None = None) -> tuple[Tensor, Tensor]:
        """Draw `count` images float32 [N, C, H, W] and their labels int64 [N], `batch` at a time, on the CPU.

        Labels are balanced: every learned class comes as often as any other, give or take one, in random order.
        """
        del on_step
        labels = balanced_labels(count, self._classes, self._random)
        images = []
        for chunk in labels.split(batch):
            z = torch.randn((len(chunk), self._latent), generator=self._random)
            made = self._generator(send(z, self._device), send(chunk, self._device), self._random)
            images.append(made.contiguous().cpu())
        return torch.cat(images), labels


def balanced_labels(count: int, classes: Tensor, random: torch.Generator) -> Tensor:
    """Draw int64 [count] labels: random permutations of `classes` one after the other."""
    rounds = max(1, math.ceil(count / len(classes)))
    return torch.cat([classes[torch.randperm(len(classes), generator=random)] for _ in range(rounds)])[:count]


def train_gdfq(
    teacher: Teacher,
    settings: GeneratorTraining,
    *,
    seed: int = 0,
    device: str = "cpu",
    on_step: StepReport | None = None,
    checkpoint: Checkpoint | None = None,
    processes: Processes = ALONE,
) -> GdfqSampler:
    """Train a generator so that `teacher` recognises its images and finds its own BatchNorm statistics in them.

    The teacher is copied, frozen and not changed. Everything random comes from `seed`; on one machine and one number
    of threads the same arguments give the same bytes.

    Args:
        teacher: the network to make images for.
        settings: size of the generator, schedule and weights.
        seed: of the generator's start, its training and its draws.
        device: where to train, for instance "cpu" or "cuda".
        on_step: called after each step, on a GPU after some (`calib.device.step_watch`), with the figures `loss`, those
            of the aim, `bns` (or `prior`), `distance`.
        checkpoint: where the training is kept, and continued from; None keeps nothing.
        processes: that share every batch; statistics and losses are those of the whole batch.

    Returns:
        A sampler that draws images from the trained generator.

    Raises:
        FloatingPointError: the loss became NaN or infinite.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from calib import ClassAim, GeneratorTraining, InputSpec, Teacher, train_gdfq
        >>> network = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10))
        >>> spec = InputSpec(shape=(1, 8, 8), scale=255.0, mean=(0.5,), std=(0.5,))
        >>> short = GeneratorTraining(
        ...     steps=2, batch=8, learning_rate=1e-2, latent=16, width=8, bns_weight=5.0, bns_normalized=True,
        ...     diversity_weight=2.0, classes=10, crop_fraction=0.0,
        ... )  # fmt: skip
        >>> teacher = Teacher(network=network, input_spec=spec, aim=ClassAim(10))
        >>> images, labels = train_gdfq(teacher, short).draw(20, batch=10)
        >>> images.shape
        torch.Size([20, 1, 8, 8])
    """
    share = processes.share(settings.batch)
    input_spec, conditions = teacher.input_spec, teacher.aim.conditions
    frozen = copy.deepcopy(teacher.network).eval().requires_grad_(False).to(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = ConditionalGenerator(conditions, input_spec, settings.latent, settings.width).to(device)
    with_shared_norms(generator, share)
    random = torch.Generator().manual_seed(seed)
    classes = torch.randperm(conditions, generator=random)[: settings.classes].sort().values
    cropped_steps = round(settings.crop_fraction * settings.steps) if _takes_crops(frozen, generator) else 0
    optimizer = torch.optim.Adam(generator.parameters(), lr=settings.learning_rate, betas=(0.5, 0.999))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, settings.steps))
    generator.train()
    checkpoint = checkpoint or NoCheckpoint()
    training = Training({"generator": generator, "optimizer": optimizer, "schedule": schedule}, random)
    saved = checkpoint.load()
    prior_name = "bns" if has_batch_norm(frozen) else "prior"
    span = generator.high - generator.low
    usual = tuple(send(input_spec.plane(values), device) for values in (input_spec.centre, input_spec.spread))
    watch = StepWatch(
        settings.steps,
        device,
        None if on_step is None else lambda done, figures: on_step(done, settings.steps, figures),
        diverged=lambda number: f"generator training diverged at step {number}: lower the learning rate",
    )
    for step in range(0 if saved is None else training.restore(saved), settings.steps):
        half = balanced_labels(settings.batch - settings.batch // 2, classes, random)
        labels = send(torch.cat([half, half])[: settings.batch], device)
        z = send(torch.randn((settings.batch, settings.latent), generator=random), device)
        window = _window(generator, random) if step < cropped_steps else None
        images = generator(share.take(z), share.take(labels), random, window, share)
        with BatchNormTap(frozen, share) as tap:
            outputs, images = gathered(frozen(images), share), gathered(images, share)
            prior = _prior(tap, images, usual, settings.bns_normalized)
        aim, figures = teacher.aim.loss(outputs, labels)
        distance = pair_distance(images, span)
        loss = (
            aim
            + settings.bns_weight * prior
            + settings.diversity_weight * functional.relu(1 - distance / NATURAL_DISTANCE).mean()
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        share.processes.add_gradients(generator.parameters())
        optimizer.step()
        schedule.step()
        facts = {"loss": loss, **figures, prior_name: prior, "distance": distance.mean()}
        watch.step(step + 1, facts, last=step + 1 == settings.steps)
        checkpoint.step(partial(training.state, step + 1))
    checkpoint.finish(partial(training.state, settings.steps))
    _settle(generator, classes, settings, random, share)
    return GdfqSampler(generator, classes, settings.latent, seed + 1)


def pair_distance(images: Tensor, span: Tensor) -> Tensor:
    """Compare image i of the first half of [N, C, H, W] with image i of the second half.

    Gives [N // 2] distances, 1 being the whole range: root mean square over an 8x8 average of the images, so that noise
    in single pixels is not taken for variety. `span` is the length of each channel's range, [1, C, 1, 1].
    """
    grid = (min(DIVERSITY_GRID, images.shape[2]), min(DIVERSITY_GRID, images.shape[3]))
    coarse = functional.adaptive_avg_pool2d(images / span, grid)
    pairs = images.shape[0] // 2
    difference = coarse[-pairs:] - coarse[:pairs]
    return torch.sqrt(difference.square().mean(dim=(1, 2, 3)) + 1e-8)


@torch.no_grad()
def _settle(
    generator: ConditionalGenerator, classes: Tensor, settings: GeneratorTraining, random: torch.Generator, share: Share
) -> None:
    """Measure the generator's own BatchNorm statistics anew, on whole images of the final weights, for drawing."""
    norms = [module for module in generator.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over the batches that follow
    for _ in range(SETTLING_BATCHES):
        labels = send(balanced_labels(settings.batch, classes, random), generator.low.device)
        z = send(torch.randn((settings.batch, settings.latent), generator=random), generator.low.device)
        generator(share.take(z), share.take(labels), random, share=share)


def _window(generator: ConditionalGenerator, random: torch.Generator) -> tuple[slice, slice]:
    """Choose a random window of half the coarse grid's rows and columns, rounded up."""
    rows, columns = ((cells + 1) // 2 for cells in generator.grid)
    top = int(torch.randint(generator.grid[0] - rows + 1, (1,), generator=random))
    left = int(torch.randint(generator.grid[1] - columns + 1, (1,), generator=random))
    return slice(top, top + rows), slice(left, left + columns)


@torch.no_grad()
def _takes_crops(teacher: nn.Module, generator: ConditionalGenerator) -> bool:
    """Tell whether the images are large enough to crop and a crop gives outputs of the shapes of a whole image's."""
    cells, cell = generator.grid, generator.cell
    if min(generator.size) < SMALLEST_CROPPED:
        return False
    crop = ((cells[0] + 1) // 2 * cell, (cells[1] + 1) // 2 * cell)
    blank = (generator.low.new_zeros((2, generator.low.shape[1], *size)) for size in (crop, generator.size))
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # a traced network prints where it fails
            cropped, whole = (output_shapes(teacher(images)) for images in blank)
        return cropped == whole
    except (RuntimeError, ValueError, IndexError):
        return False


def _prior(tap: BatchNormTap, images: Tensor, usual: tuple[Tensor, ...], normalized: bool) -> Tensor:
    """Give the BNS loss of what `tap` saw, or the image prior where the teacher has no BatchNorm.

    `usual` is the InputSpec's `centre` and `spread` on the images' device, [1, C, 1, 1] each.
    """
    if tap.moments():
        return bns_loss(tap, normalized)
    centre, spread = usual
    standard = (images - centre) / spread
    deviation, mean = torch.std_mean(standard, dim=(0, 2, 3))
    variation = standard.diff(dim=2).abs().mean() + standard.diff(dim=3).abs().mean()
    return mean.square().mean() + (deviation - 1).square().mean() + variation
