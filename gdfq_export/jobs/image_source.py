"""Which images a run works with: made from the network, as the recipe says, saved by an earlier run, or real."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from calib.gdfq import GdfqSampler, train_gdfq
from calib.priors.dead_leaves import DeadLeavesSampler
from calib.priors.pink_noise import PinkNoiseSampler
from calib.refinement import RefinedSampler
from calib.samplers import AlternatingSampler, NoiseSampler, RealSet, Sampler
from calib.statistics import has_batch_norm
from calib.synthetic_set import SyntheticSet
from calib.zeroq import ZeroQSampler
from gdfq_export.baselines.published_gdfq import PublishedGdfq
from gdfq_export.errors import InputError
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.recipe import Recipe, Tuning
from gdfq_export.support.progress import Progress

__all__ = ["ImageSource", "require_consistent"]

_DRAW_BATCH = 64
_SECTION_OF = {
    "gdfq": "generator",
    "gdfq-refined": "refinement",
    "refined": "refinement",
    "zeroq": "zeroq",
    "published": "published",
}


class ImageSource:
    """Draws the images of one run, each draw a phase of its own.

    Args:
        model: the float network.
        recipe: as it is used for this network's image size.
        calibration: a saved set, or real images, to draw from instead of synthesizing.
        seed: of everything random.
        device: torch device for synthesis.
        progress: where phases report themselves.

    Raises:
        InputError: the saved set is not one for this network, the recipe's data and tuning do not go together or with
            the network, or the synthesis diverged.
    """

    def __init__(
        self,
        model: FloatModel,
        recipe: Recipe,
        calibration: SyntheticSet | RealSet | None,
        *,
        seed: int,
        device: str,
        progress: Progress,
    ) -> None:
        require_consistent(model, recipe, given=calibration is not None)
        self.model = model
        self.recipe = recipe
        self.seed = seed
        self.device = device
        self.progress = progress
        self.provenance: Mapping[str, Any] = {}
        if isinstance(calibration, SyntheticSet):
            self.provenance = calibration.provenance
            self._sampler: Sampler = _saved_sampler(calibration, model)
        elif isinstance(calibration, RealSet):
            self.provenance = {"method": "real", "source": calibration.origin}
            self._sampler = _real_sampler(calibration, seed)
        else:
            self._sampler = self._make()
        self._fresh = self._sampler
        if isinstance(self._sampler, RefinedSampler) and isinstance(self._sampler.start, GdfqSampler):
            self._fresh = self._sampler.start

    @property
    def name(self) -> str:
        """What the images are, for reports."""
        return self._sampler.source

    @property
    def name_fresh(self) -> str:
        """The name of what `draw_fresh` gave."""
        return f"{self._fresh.source} ({'again' if self._repeated else 'fresh'})"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know of the images that were drawn."""
        given = self._repeated
        if given is None:
            return ()
        return (
            f"the calibration images were drawn more than once: there are {len(given.order):,}, and tuning and "
            f"measuring took {given.position:,}; what is measured on them was tuned on them too",
        )

    @property
    def _repeated(self) -> _GivenSampler | None:
        """Given images that have been drawn more than once."""
        given = self._sampler
        return given if isinstance(given, _GivenSampler) and given.position > len(given.order) else None

    @property
    def trainer(self) -> PublishedGdfq:
        """The generator training that runs side by side with tuning.published."""
        assert isinstance(self._sampler, PublishedGdfq), "the recipe was checked when the source was made"
        return self._sampler

    def draw(self, count: int, phase: str) -> tuple[Tensor, Tensor]:
        """New images [count, C, H, W] in the network's input range and their labels [count]."""
        return self._draw(self._sampler, count, phase)

    def draw_fresh(self, count: int, phase: str) -> tuple[Tensor, Tensor]:
        """The same, for judging what was tuned on the others: without refinement, where a generator made its start."""
        return self._draw(self._fresh, count, phase)

    def fill(self, images: Tensor, count: int) -> tuple[Tensor, str]:
        """The first `count` fresh images, noise behind them where there are fewer, and what they are.

        Comparing integers needs many images and no realism.
        """
        missing = count - len(images)
        if missing <= 0:
            return images[:count], self.name_fresh
        noise, _ = NoiseSampler(self.model.input_spec, self.model.num_classes, self.seed).draw(missing, _DRAW_BATCH)
        return torch.cat([images, noise]), f"{self.name_fresh}: {len(images)}, noise: {missing}"

    def _draw(self, sampler: Sampler, count: int, phase: str) -> tuple[Tensor, Tensor]:
        with self.progress.phase(phase) as report:
            if isinstance(sampler, RefinedSampler | ZeroQSampler | PublishedGdfq):
                sampler.on_step = report
            try:
                return sampler.draw(count, _DRAW_BATCH)
            except FloatingPointError as error:
                raise self._diverged(self.recipe.data.method) from error

    def _make(self) -> Sampler:
        model, data = self.model, self.recipe.data
        common = (model.input_spec, model.num_classes)
        if data.method == "noise":
            return NoiseSampler(*common, self.seed)
        if data.method in ("refined", "gdfq-refined"):
            start = self._train_generator() if data.method == "gdfq-refined" else self._without_generator()
            return RefinedSampler(start, model.teacher, *common, data.refinement.settings(), self.seed, self.device)
        if data.method == "zeroq":
            return ZeroQSampler(model.teacher, *common, data.zeroq.settings(), self.seed, self.device)
        if data.method == "published":
            return PublishedGdfq(model.teacher, *common, data.published.settings(), self.seed, self.device)
        return self._train_generator()

    def _without_generator(self) -> Sampler:
        common = (self.model.input_spec, self.model.num_classes, self.seed)
        return AlternatingSampler(DeadLeavesSampler(*common), PinkNoiseSampler(*common))

    def _train_generator(self) -> GdfqSampler:
        model, settings = self.model, self.recipe.data.generator.settings()
        common = (model.input_spec, model.num_classes)
        with self.progress.phase("train the generator") as phase:
            try:
                return train_gdfq(model.teacher, *common, settings, self.seed, self.device, phase)
            except FloatingPointError as error:
                raise self._diverged("gdfq") from error

    def _diverged(self, method: str) -> InputError:
        return InputError(
            f"making images for {self.model.source} diverged; lower "
            f"data.{_SECTION_OF[method]}.learning_rate in the recipe {self.recipe.name}"
        )


def require_consistent(model: FloatModel, recipe: Recipe, *, given: bool) -> None:
    """Refuse a recipe whose data and tuning do not go together, or not with this network.

    `given` says that images are given, and none are made.

    Raises:
        InputError: they do not.
    """
    method, where = recipe.data.method, f"the recipe {recipe.name}"
    if method == "real" and not given:
        raise InputError(
            f"{where} works with real images: give them to gdfq-export quantize as --calibration, an .npz with images "
            "and labels or a folder with images and a labels.csv"
        )
    if method in ("zeroq", "published") and not given and not has_batch_norm(model.teacher):
        raise InputError(
            f"{where} makes images from BatchNormalization statistics alone, and {model.source} has none left; export "
            "the network again with BatchNormalization kept, or take a recipe with data.method gdfq or noise"
        )
    if recipe.tuning.published is None:
        return
    if recipe.bits.mixed is not None:
        raise InputError(
            f"bits.mixed in {where} measures layers on images, and tuning.published makes them only while it tunes; "
            "leave one of them out"
        )
    if method != "published" or given:
        raise InputError(
            f"tuning.published in {where} trains its generator while it tunes: set data.method to published and leave "
            "out --calibration"
        )
    if recipe.tuning.model_copy(update={"published": None}) != Tuning(rounding=False, bias_correction="none"):
        raise InputError(
            f"tuning.published in {where} stands in place of all other tuning; set rounding: false and "
            "bias_correction: none, and leave out the rest"
        )


class _GivenSampler:
    """Draws images that are there, in an order, and from the start again when they are used up."""

    def __init__(self, images: Tensor, labels: Tensor, order: Tensor, source: str) -> None:
        self.images = images
        self.labels = labels
        self.order = order
        self.source = source
        self.position = 0

    def draw(self, count: int, batch: int) -> tuple[Tensor, Tensor]:
        del batch
        chosen = self.order[(self.position + torch.arange(count)) % len(self.order)]
        self.position += count
        return self.images[chosen], self.labels[chosen]


def _saved_sampler(saved: SyntheticSet, model: FloatModel) -> _GivenSampler:
    """The images of a saved set, in its order."""
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
    images, labels = torch.from_numpy(saved.images), torch.from_numpy(saved.labels)
    name = f"a saved set ({saved.provenance.get('method', 'unknown origin')})"
    return _GivenSampler(images, labels, torch.arange(len(images)), name)


def _real_sampler(real: RealSet, seed: int) -> _GivenSampler:
    """Real images in an order of the seed's."""
    order = torch.randperm(len(real), generator=torch.Generator().manual_seed(seed))
    return _GivenSampler(real.images, real.labels, order, "real images")
