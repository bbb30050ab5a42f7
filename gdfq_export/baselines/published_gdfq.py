"""GDFQ's generator training as published (Xu et al. 2020, algorithm 1; github.com/xushoukai/GDFQ, trainer.py).

One step on a fresh batch of latents and uniformly drawn labels minimises

    CE(T(G(z, y)), y) + 0.1 * BNS

with BNS in its unnormalised form, by Adam(0.5, 0.999) whose rate falls to a tenth at a quarter, a half and three
quarters of the run. The published run is 80,000 steps (400 epochs of 200); here the schedule is a share of `steps`, so
a shorter run keeps its shape.

Unlike `calib.gdfq`, which trains once and then only draws, the published method trains generator and low-bit network
side by side: `step` gives the images of each step to whoever trains on them. Fixed, without effect on the result:
the teacher's weights are frozen (the authors computed their gradients and threw them away), and the lists of running
statistics do not grow with the run.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from calib.aim import class_scores
from calib.checkpoints.checkpoint import Checkpoint, NoCheckpoint
from calib.checkpoints.training import Stateful, Training
from calib.samplers import StepReport
from calib.settings import require_at_least, require_finite
from calib.statistics import BatchNormTap, bns_loss, has_batch_norm
from calib.teacher import Teacher
from gdfq_export.baselines.published_generator import LATENT, make_published_generator

BETAS = (0.5, 0.999)
DROPS = (0.25, 0.5, 0.75)  # shares of the run at which learning rates fall to a tenth


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTraining:
    """How the published generator is trained.

    Attributes:
        steps: optimizer steps of the whole run.
        batch: images a step, at least 2.
        learning_rate: Adam's, at the start.
        bns_weight: weight of the unnormalised BNS loss beside the cross-entropy.
    """

    steps: int
    batch: int
    learning_rate: float
    bns_weight: float

    def __post_init__(self) -> None:
        """Reject what cannot be trained."""
        require_at_least(self, steps=1, batch=2)
        require_finite(self, "learning_rate", "bns_weight")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PublishedBatch:
    """What one step made, on the training device: images [N, C, H, W], labels int64 [N], logits [N, classes].

    The logits are the teacher's, of these images; `facts` are the figures of the step. Nothing carries a gradient.
    """

    images: Tensor
    labels: Tensor
    logits: Tensor
    facts: dict[str, float]


class PublishedGdfq:
    """Train the published generator step by step; a Sampler besides.

    The teacher is copied, frozen and not changed; everything random comes from `seed`.
    """

    source = "gdfq as published"

    def __init__(
        self,
        teacher: Teacher,
        settings: PublishedTraining,
        *,
        seed: int = 0,
        device: str = "cpu",
        checkpoint: Checkpoint | None = None,
    ) -> None:
        """Start with an untrained generator; what `draw` trains is kept in `checkpoint`, and continued from it.

        Raises:
            ValueError: the teacher has no BatchNorm statistics.
        """
        if not has_batch_norm(teacher.network):
            raise ValueError("GDFQ as published needs a teacher with BatchNorm statistics")
        self.settings = settings
        self.done = 0
        self._teacher = copy.deepcopy(teacher.network).eval().requires_grad_(False).to(device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._generator = make_published_generator(teacher.aim.conditions, teacher.input_spec).to(device).train()
        self._num_classes = teacher.aim.conditions
        self._device = device
        self._random = torch.Generator().manual_seed(seed)
        self._optimizer = torch.optim.Adam(self._generator.parameters(), lr=settings.learning_rate, betas=BETAS)
        self._schedule = torch.optim.lr_scheduler.MultiStepLR(self._optimizer, milestones(settings.steps), 0.1)
        parts: dict[str, Stateful] = {
            "generator": self._generator,
            "optimizer": self._optimizer,
            "schedule": self._schedule,
        }
        self._training = Training(parts, self._random)
        self._checkpoint = checkpoint or NoCheckpoint()

    @property
    def images(self) -> int:
        """How many images the steps so far have made."""
        return self.done * self.settings.batch

    def state_dict(self) -> dict[str, Any]:
        """Everything that a step changes."""
        return self._training.state(self.done)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.done = self._training.restore(state_dict)

    @torch.enable_grad()
    def step(self) -> PublishedBatch:
        """Train the generator by one step; gives the images and the teacher's answers from before it.

        Raises:
            FloatingPointError: the loss became NaN or infinite.
        """
        z, labels = self._latents()
        images = self._generator(z, labels)
        with BatchNormTap(self._teacher) as tap:
            logits = class_scores(self._teacher(images))
            bns = bns_loss(tap, normalized=False)
        cross_entropy = functional.cross_entropy(logits, labels)
        loss = cross_entropy + self.settings.bns_weight * bns
        if not torch.isfinite(loss):
            raise FloatingPointError(f"generator training diverged at step {self.done + 1}: lower the learning rate")
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        self._schedule.step()
        self.done += 1
        facts = {
            "generator_loss": loss.item(),
            "bns": bns.item(),
            "agreement": (logits.argmax(1) == labels).float().mean().item(),
        }
        return PublishedBatch(images=images.detach(), labels=labels, logits=logits.detach(), facts=facts)

    def draw(self, count: int, batch: int, on_step: StepReport | None = None) -> tuple[Tensor, Tensor]:
        """Draw images float32 [count, C, H, W] and labels int64 [count], on the CPU, after the rest of the training.

        `on_step` is called after each training step that is still to be made.

        Images are made as those of the training are: in whole batches of `settings.batch`, normalised by the batch's
        own statistics, whatever `batch`.

        Raises:
            FloatingPointError: the loss became NaN or infinite.
        """
        del batch
        if self.done < self.settings.steps:
            self._train(on_step)
        images, labels = [], []
        with torch.no_grad():
            for _ in range(math.ceil(count / self.settings.batch)):
                z, drawn = self._latents()
                images.append(self._generator(z, drawn).cpu())
                labels.append(drawn.cpu())
        return torch.cat(images)[:count], torch.cat(labels)[:count]

    def _train(self, on_step: StepReport | None) -> None:
        """Make the steps that are left."""
        if (saved := self._checkpoint.load()) is not None:
            self.load_state_dict(saved)
        while self.done < self.settings.steps:
            facts = self.step().facts
            if on_step is not None:
                on_step(self.done, self.settings.steps, facts)
            self._checkpoint.step(self.state_dict)
        self._checkpoint.finish(self.state_dict)

    def _latents(self) -> tuple[Tensor, Tensor]:
        """Draw z [N, 100] and labels [N], on the CPU for the same numbers everywhere."""
        z = torch.randn((self.settings.batch, LATENT), generator=self._random)
        labels = torch.randint(self._num_classes, (self.settings.batch,), generator=self._random)
        return z.to(self._device), labels.to(self._device)


def milestones(steps: int) -> list[int]:
    """Steps after which a learning rate falls to a tenth, in a run of `steps`."""
    return [round(share * steps) for share in DROPS]
