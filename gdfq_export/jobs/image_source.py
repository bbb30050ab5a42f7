"""The images of a run: made from the network as the recipe says, saved by an earlier run, or real."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from calib.samplers import NoiseSampler, RealSet, Sampler
from calib.synthetic_set import SyntheticSet
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.recipe import Recipe
from gdfq_export.simulator import Simulator
from gdfq_export.support.curves import Curves, RecordedProgress
from gdfq_export.support.progress import Progress
from gdfq_export.synthesis.given import given_samplers
from gdfq_export.synthesis.method import Samplers, SynthesisInputs
from gdfq_export.synthesis.registry import METHODS, require_consistent
from gdfq_export.synthesis.stand_in_statistics import with_stand_ins

_DRAW_BATCH = 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Draw:
    """Images of one draw.

    Attributes:
        images: float32 `[N, C, H, W]` in the network's input range, on the CPU.
        labels: int64 `[N]`.
        source: what the images are, for reports.
        taken: images that the run has drawn so far, these included.
        available: different images there are; None where each draw makes new ones.
    """

    images: Tensor
    labels: Tensor
    source: str
    taken: int
    available: int | None = None

    @property
    def repeated(self) -> bool:
        """Whether the run has drawn some image more than once."""
        return self.available is not None and self.taken > self.available

    @property
    def name(self) -> str:
        """What the images are, and whether the run has used them before."""
        return f"{self.source} ({'again' if self.repeated else 'fresh'})"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know of the images."""
        if not self.repeated:
            return ()
        return (
            f"the calibration images were drawn more than once: there are {self.available:,}, and tuning and "
            f"measuring took {self.taken:,}; what is measured on them was tuned on them too",
        )


class ImageSource:
    """Draws the images of one run, each draw a phase of its own.

    Its `model` is the float network, with measured statistics where BatchNorm left none (`stand_in_statistics.py`).

    Args:
        model: the float network.
        recipe: as it is used for this network's image size.
        given: a saved set, or real images, to draw from; None makes images as the recipe says.
        seed: random seed.
        device: torch device for synthesis.
        progress: where phases report themselves.
        curves: collects the figures of making images to tune on, and of tuning by the data method.

    Raises:
        InputError: the saved set is not one for this network, the recipe's data and tuning do not go together or with
            the network, or the synthesis diverged.
    """

    def __init__(
        self,
        model: FloatModel,
        recipe: Recipe,
        given: SyntheticSet | RealSet | None = None,
        *,
        seed: int = 0,
        device: str = "cpu",
        progress: Progress,
        curves: Curves | None = None,
    ) -> None:
        require_consistent(model, recipe, given=given is not None)
        images = None if given is None else torch.as_tensor(given.images)
        model = with_stand_ins(model, progress, images=images, seed=seed, device=device)
        self.model = model
        self.seed = seed
        self.device = device
        self.progress = progress
        self.recorded: Progress = RecordedProgress(progress, curves or Curves())
        self.provenance: Mapping[str, Any] = _provenance(given)
        self._inputs = SynthesisInputs(model=model, recipe=recipe, seed=seed, device=device)
        self._method = METHODS[recipe.data.method]
        self._samplers = self._make(given)
        self._taken = 0

    @property
    def name(self) -> str:
        """What the images to tune on are, for reports."""
        return self._samplers.tuning.source

    def has_new(self, count: int) -> bool:
        """Whether that many images are left that the run has not drawn."""
        available = self._samplers.available
        return available is None or self._taken + count <= available

    def draw(self, count: int, phase: str) -> Draw:
        """New images to tune on."""
        return self._draw(self._samplers.tuning, count, phase, self.recorded)

    def draw_fresh(self, count: int, phase: str) -> Draw:
        """New images to compare the tuned network on; not refined where a generator made the start."""
        return self._draw(self._samplers.evaluation, count, phase, self.progress)

    def tune(self, simulator: Simulator) -> int:
        """Tune `simulator` with the data method's own tuning; gives the number of images it made.

        Only for a recipe with `tuning.published`, whose generator is trained beside the network.
        """
        assert self._method.tune is not None, "require_consistent has refused such a recipe"
        return self._method.tune(self._inputs, simulator, self.recorded)

    def fill(self, fresh: Draw, count: int) -> tuple[Tensor, str]:
        """The first `count` images `[count, C, H, W]` of a draw, then noise where it has fewer, and their name.

        Comparing integers needs many images and no realism.
        """
        images, missing = fresh.images, count - len(fresh.images)
        if missing <= 0:
            return images[:count], fresh.name
        noise, _ = NoiseSampler(self.model.input_spec, self.model.task.aim.conditions, self.seed).draw(
            missing, _DRAW_BATCH
        )
        return torch.cat([images, noise]), f"{fresh.name}: {len(images)}, noise: {missing}"

    def _make(self, given: SyntheticSet | RealSet | None) -> Samplers:
        if given is not None:
            return given_samplers(self._inputs, given)
        assert self._method.make is not None, "require_consistent has refused such a recipe"
        return self._method.make(self._inputs, self.recorded)

    def _draw(self, sampler: Sampler, count: int, phase: str, progress: Progress) -> Draw:
        with progress.phase(phase) as report:
            try:
                images, labels = sampler.draw(count, _DRAW_BATCH, report)
            except FloatingPointError as error:
                raise self._inputs.diverged(self._method.section) from error
        self._taken += count
        return Draw(
            images=images,
            labels=labels,
            source=sampler.source,
            taken=self._taken,
            available=self._samplers.available,
        )


def _provenance(given: SyntheticSet | RealSet | None) -> Mapping[str, Any]:
    if isinstance(given, SyntheticSet):
        return given.provenance
    return {} if given is None else {"method": "real", "source": given.origin}
