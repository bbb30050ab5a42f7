"""Which images a run works with: made from the network, as the recipe says, or saved by an earlier run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from calib.dead_leaves import DeadLeavesSampler
from calib.gdfq import train_gdfq
from calib.refinement import RefinedSampler
from calib.samplers import NoiseSampler, Sampler
from calib.synthetic_set import SyntheticSet
from gdfq_export.errors import InputError
from gdfq_export.float_model import FloatModel
from gdfq_export.progress import Progress
from gdfq_export.recipe import Recipe

__all__ = ["ImageSource"]

_DRAW_BATCH = 64


class ImageSource:
    """Draws the images of one run, each draw a phase of its own.

    Args:
        model: the float network.
        recipe: as it is used for this network's image size.
        calibration: a saved set to draw from instead of synthesizing.
        seed: of everything random.
        device: torch device for synthesis.
        progress: where phases report themselves.

    Raises:
        InputError: the saved set is not one for this network, or the synthesis diverged.
    """

    def __init__(
        self,
        model: FloatModel,
        recipe: Recipe,
        calibration: SyntheticSet | None,
        *,
        seed: int,
        device: str,
        progress: Progress,
    ) -> None:
        self.model = model
        self.recipe = recipe
        self.seed = seed
        self.device = device
        self.progress = progress
        self.provenance: Mapping[str, Any] = {} if calibration is None else calibration.provenance
        self._sampler = self._make() if calibration is None else _SavedSampler(calibration, model)

    @property
    def name(self) -> str:
        """What the images are, for reports."""
        return self._sampler.source

    @property
    def name_fresh(self) -> str:
        """The name of what a later draw gives."""
        return f"{self.name} (fresh)"

    def draw(self, count: int, phase: str) -> tuple[Tensor, Tensor]:
        """Fresh images [count, C, H, W] in the network's input range and their labels [count]."""
        with self.progress.phase(phase) as report:
            if isinstance(self._sampler, RefinedSampler):
                self._sampler.on_step = report
            try:
                return self._sampler.draw(count, _DRAW_BATCH)
            except FloatingPointError as error:
                raise self._diverged("refinement") from error

    def fill(self, images: Tensor, count: int) -> tuple[Tensor, str]:
        """The first `count` fresh images, noise behind them where there are fewer, and what they are.

        Comparing integers needs many images and no realism.
        """
        missing = count - len(images)
        if missing <= 0:
            return images[:count], self.name_fresh
        noise, _ = NoiseSampler(self.model.input_spec, self.model.num_classes, self.seed).draw(missing, _DRAW_BATCH)
        return torch.cat([images, noise]), f"{self.name_fresh}: {len(images)}, noise: {missing}"

    def _make(self) -> Sampler:
        model, data = self.model, self.recipe.data
        common = (model.input_spec, model.num_classes)
        if data.method == "noise":
            return NoiseSampler(*common, self.seed)
        if data.method == "refined":
            leaves = DeadLeavesSampler(*common, self.seed)
            return RefinedSampler(leaves, model.teacher, *common, data.refinement.settings(), self.seed, self.device)
        with self.progress.phase("train the generator") as phase:
            try:
                return train_gdfq(model.teacher, *common, data.generator.settings(), self.seed, self.device, phase)
            except FloatingPointError as error:
                raise self._diverged("generator") from error

    def _diverged(self, section: str) -> InputError:
        return InputError(
            f"making images for {self.model.source} diverged; lower data.{section}.learning_rate "
            f"in the recipe {self.recipe.name}"
        )


class _SavedSampler:
    """Draws from a saved set, in order and from the start again when it is used up."""

    def __init__(self, saved: SyntheticSet, model: FloatModel) -> None:
        if saved.images.shape[1:] != model.input_spec.shape:
            raise InputError(
                f"the calibration images are {list(saved.images.shape[1:])} but {model.source} takes "
                f"{list(model.input_spec.shape)}; make them for this network with gdfq-export synthesize"
            )
        if saved.logits.shape[1] != model.num_classes:
            raise InputError(
                f"the calibration images carry logits of {saved.logits.shape[1]} classes but {model.source} has "
                f"{model.num_classes}; make them for this network with gdfq-export synthesize"
            )
        self.saved = saved
        self.position = 0
        self.source = f"a saved set ({saved.provenance.get('method', 'unknown origin')})"

    def draw(self, count: int, batch: int) -> tuple[Tensor, Tensor]:
        del batch
        order = (self.position + np.arange(count)) % len(self.saved.images)
        self.position += count
        return torch.from_numpy(self.saved.images[order]), torch.from_numpy(self.saved.labels[order])
