"""ZeroQ's distilled images (Cai et al. 2020, arXiv 2001.00281, eq. 3; github.com/amirgholami/ZeroQ, distill_data.py).

Every image is moved by Adam until mean and standard deviation of each BatchNorm layer's input, taken over that image
alone, are the layer's running ones, and those of each colour are 0 and 1:

    sum over layers and the input of  |mean - mu|^2 + |std - sigma|^2  (summed over channels, averaged over images)

Adam starts at 0.5 in units of the standardised input and falls to a tenth when the loss has not improved for 100 steps.
There is no cross-entropy: the images have no class, their labels mean nothing. As published, pixels are unbounded; a
quantizer of the network's input clips them.

Fixed, compared with the authors' code: the start is uniform with standard deviation 1 (they divide by the variance of a
pixel, 5,418.75, where its root 73.6 was meant, and start near zero); statistics are taken at each BatchNorm's own input
(they take the i-th convolution's output for the i-th BatchNorm, which fails where the order differs). "Standardised" is
relative to the InputSpec's `centre` and `spread`, so that a network of raw pixels can be distilled too.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from calib.checkpoints.checkpoint import Checkpoint, Checkpoints, NoCheckpoints
from calib.checkpoints.training import Training
from calib.device.step_watch import StepWatch
from calib.device.transfer import send
from calib.parallel.dealing import Pieces, deal, rounds
from calib.parallel.processes import ALONE, Processes
from calib.samplers import StepReport, Steps
from calib.settings import require_at_least
from calib.statistics import BatchNorm, batch_norms
from calib.teacher import Teacher

EPS = 1e-6
PATIENCE = 100
LOWEST_RATE = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class ZeroQSettings:
    """How images are distilled.

    Attributes:
        steps: Adam steps for each batch; 0 leaves uniform noise.
        batch: images distilled side by side at most; they do not see each other but share the learning rate's falls.
        learning_rate: Adam's, at the start, in standard deviations of the input.
    """

    steps: int
    batch: int
    learning_rate: float

    def __post_init__(self) -> None:
        """Reject what cannot be run."""
        require_at_least(self, steps=0, batch=1)
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise ValueError(f"learning_rate is {self.learning_rate}; give a finite number above 0")


class ZeroQSampler:
    """Distil images from a teacher's BatchNorm statistics; every draw distils anew."""

    source = "zeroq"

    def __init__(
        self,
        teacher: Teacher,
        settings: ZeroQSettings,
        *,
        seed: int = 0,
        device: str = "cpu",
        checkpoints: Checkpoints | None = None,
        processes: Processes = ALONE,
    ) -> None:
        """Keep a frozen copy of the teacher on `device`; `checkpoints` keep every batch of every draw.

        Batches are dealt to the processes.

        Raises:
            ValueError: the teacher has no BatchNorm statistics.
        """
        self.settings = settings
        self._teacher = copy.deepcopy(teacher.network).eval().requires_grad_(False).to(device)
        self._layers = batch_norms(self._teacher)
        if not self._layers:
            raise ValueError("ZeroQ needs a teacher with BatchNorm statistics")
        self._input_spec = teacher.input_spec
        self._conditions = teacher.aim.conditions
        self._device = device
        self._random = torch.Generator().manual_seed(seed)
        self._checkpoints = checkpoints or NoCheckpoints()
        self._processes = processes
        self._draws = 0

    def draw(self, count: int, batch: int, on_step: StepReport | None = None) -> tuple[Tensor, Tensor]:
        """Distil `count` images float32 [N, C, H, W], on the CPU; their labels int64 [N] mean nothing.

        They are distilled in equal batches of at most `settings.batch`, whatever `batch`. The figure of a step is
        `loss`; its counts are those of the whole draw.

        Raises:
            FloatingPointError: the loss became NaN or infinite.
        """
        del batch
        batches = max(1, math.ceil(count / self.settings.batch))
        sizes = [len(part) for part in torch.arange(count).tensor_split(batches)]
        total = rounds(self._processes, batches) * self.settings.steps
        self._draws += 1
        draw = self._draws

        def distil(number: int, checkpoint: Checkpoint) -> Tensor:
            done = number // self._processes.size * self.settings.steps
            return self._distil(sizes[number], Steps(done, total, on_step), checkpoint)

        def skip(number: int) -> None:
            self._start(sizes[number])

        pieces = Pieces(
            do=distil,
            skip=skip,
            random=self._random,
            checkpoint=lambda number: self._checkpoints.of(f"make images/{draw}.{number + 1}"),
        )
        images = torch.cat(deal(self._processes, batches, pieces))
        return images, torch.randint(self._conditions, (count,), generator=self._random)

    def _start(self, count: int) -> Tensor:
        """Uniform noise [count, C, H, W] of mean 0 and deviation 1, which images begin as."""
        uniform = torch.rand((count, *self._input_spec.shape), generator=self._random)
        return (uniform - 0.5) * math.sqrt(12.0)

    @torch.enable_grad()
    def _distil(self, count: int, steps: Steps, checkpoint: Checkpoint) -> Tensor:
        spec = self._input_spec
        saved = checkpoint.load()
        centre, spread = (send(spec.plane(values), self._device) for values in (spec.centre, spec.spread))
        start = self._start(count)
        images = send(start if saved is None else saved["images"], self._device).requires_grad_()
        optimizer = torch.optim.Adam([images], lr=self.settings.learning_rate)
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=PATIENCE, min_lr=LOWEST_RATE)
        training = Training({"optimizer": optimizer, "schedule": schedule}, self._random)
        watch = StepWatch(
            self.settings.steps,
            self._device,
            steps.report,
            diverged=lambda number: f"distillation diverged at step {steps.before + number}: the loss is not finite",
        )
        for step in range(0 if saved is None else training.restore(saved), self.settings.steps):
            loss = self._loss(images, centre + spread * images)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            for seen in watch.step(step + 1, {"loss": loss}, last=step + 1 == self.settings.steps):
                schedule.step(seen)
            checkpoint.step(partial(training.state, step + 1, images=images))
        checkpoint.finish(partial(training.state, self.settings.steps, images=images))
        with torch.no_grad():
            return (centre + spread * images).contiguous().cpu()

    def _loss(self, standardized: Tensor, images: Tensor) -> Tensor:
        """Sum the errors of the input's statistics and of every BatchNorm layer's that runs."""
        colours = standardized.shape[1]
        losses = [_statistics_error(standardized, images.new_zeros(colours), images.new_ones(colours))]

        def compare(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            assert isinstance(layer, BatchNorm) and layer.running_mean is not None
            assert layer.running_var is not None
            losses.append(_statistics_error(inputs[0], layer.running_mean, torch.sqrt(layer.running_var + EPS)))

        handles = [layer.register_forward_pre_hook(compare) for layer in self._layers]
        try:
            self._teacher(images)
        finally:
            for handle in handles:
                handle.remove()
        return torch.stack(losses).sum()


def _statistics_error(features: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """Squared errors of mean and deviation of each image's channels [N, C], summed over channels, averaged over images.

    The variance is the unbiased one; a single position, which has none, counts with variance 0.
    """
    flat = features.flatten(2)
    variance = flat.var(dim=2, correction=min(1, flat.shape[2] - 1))
    errors = (flat.mean(dim=2) - mean).square() + (torch.sqrt(variance + EPS) - deviation).square()
    return errors.sum() / len(features)
