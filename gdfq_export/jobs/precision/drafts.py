"""Drafts of a choice of precision: calibrated, biases corrected, nothing else tuned; measured on held-out images."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import onnx
import torch
from torch import Tensor

from gdfq_export.errors import BackendUnavailable, InputError
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.passes.fold_batch_norm import ChannelStatistics
from gdfq_export.jobs.draft_model import Draft, frozen_draft
from gdfq_export.jobs.image_source import ImageSource
from gdfq_export.jobs.network_file import NetworkFile, in_source_form
from gdfq_export.jobs.precision.kept_measurements import KeptMeasurements
from gdfq_export.jobs.precision.measured_draft import MeasuredDraft
from gdfq_export.metrics.latency import interleave, versus
from gdfq_export.planning.placement import plan_of
from gdfq_export.recipe import Bits, Recipe
from gdfq_export.runtimes import BACKENDS
from gdfq_export.runtimes.base import Images
from gdfq_export.runtimes.choose import Measuring, choose_backend
from gdfq_export.runtimes.session import Session
from gdfq_export.simulator import Mode, Simulator
from gdfq_export.support.batch_size import batch_size, positions
from gdfq_export.support.progress import SilentProgress
from gdfq_export.targets import find_target
from gdfq_export.tasks.figures import ComparedOutputs
from gdfq_export.tasks.output_comparison import compare_outputs
from gdfq_export.tasks.outputs import Outputs, as_tuple, concatenated
from gdfq_export.tasks.same_answers import same_answers
from gdfq_export.tuning import tune
from gdfq_export.tuning.sensitivity import output_noise

_FULL_SIZE = 224 * 224
_SECONDS, _ROUNDS = 1.0, 10  # of the latency measurement of a draft
_MOST_MARGIN_DB = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionJob:
    """What precision is chosen for.

    Attributes:
        model: the float network.
        recipe: as it is used for this network's image size; its `bits` without `precision: auto`.
        source: of the images.
        statistics: what is known of the float network's values, by name.
        batch: images per run in the latency measurement.
    """

    model: FloatModel
    recipe: Recipe
    source: ImageSource
    statistics: Mapping[str, ChannelStatistics]
    batch: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenDraft:
    """A calibrated low-bit network, and its file."""

    simulator: Simulator
    draft: Draft


def with_floats(bits: Bits, floats: Iterable[str]) -> Bits:
    """The bits with these nodes kept float, besides those that the recipe names."""
    names = tuple(glob.escape(name) for name in sorted(floats))
    return bits.model_copy(update={"precision": "fixed", "keep_float": (*bits.keep_float, *names)})


class Drafts:
    """Makes drafts of one network and measures them.

    Args:
        job: the network and its recipe.
        images: [N, C, H, W] in the network's input range; the last of them are held out.

    Attributes:
        fitted: the first of the images, which drafts are calibrated on.
        held_out_images: the last of them, which they are measured on.
        measured_on: those that errors of single tensors are measured on.
        kept: what was measured so far, in this run or in the one that it continues.
    """

    def __init__(self, job: PrecisionJob, images: Tensor) -> None:
        self._job = job
        pixels = positions(images.shape[1:])
        self.fitted = images[: max(1, min(_count(64, 8, pixels), len(images) // 2))]
        self.held_out_images = images[-max(1, min(_count(64, 8, pixels), len(images) - len(self.fitted))) :]
        self.measured_on = self.fitted[: _count(32, 1, 4 * pixels)]
        self._target = find_target(job.recipe.target)
        self._measuring: Measuring = choose_backend(self._target, BACKENDS)
        self._float = NetworkFile.of_float(job.model)
        self._wanted: Outputs | None = None
        form = "scaled channels" if job.recipe.bits.scaled_channels else "unscaled channels"
        self.kept = KeptMeasurements(job.source.recorded.checkpoints, form)

    @property
    def held_out(self) -> int:
        """Number of held-out images."""
        return len(self.held_out_images)

    @property
    def float_bytes(self) -> int:
        """Of the float network's file."""
        return len(self._float.data)

    @property
    def timing_images(self) -> Images:
        """The batch whose latency is measured."""
        return self.held_out_images[: self._job.batch].numpy()

    @property
    def timed(self) -> bool:
        """Whether the target's runtime runs files here, so that their latency can be measured."""
        return not self._measuring.fallback_reason

    @property
    def profiled(self) -> bool:
        """Whether that is ONNX Runtime, which says how long each node takes."""
        return self.timed and self._measuring.measured_on.name == "onnxruntime"

    @cached_property
    def everything_quantized(self) -> WrittenDraft:
        """The draft without float units."""
        return self.written(())

    def written(self, floats: Iterable[str]) -> WrittenDraft:
        """The low-bit network with these units float, calibrated and with its biases corrected."""
        job, recipe = self._job, self._recipe
        plan = plan_of(job.model, recipe.target, with_floats(recipe.bits, floats))
        simulator = Simulator(job.model.folded, plan, task=job.model.task).to(job.source.device)
        tune(
            simulator,
            self.fitted,
            recipe,
            statistics=job.statistics,
            seed=job.source.seed,
            device=job.source.device,
            progress=SilentProgress(),
        )
        return WrittenDraft(simulator=simulator, draft=frozen_draft(job.model, simulator, {"draft": "yes"}))

    def file_of(self, proto: onnx.ModelProto) -> NetworkFile:
        """A draft as a file with the float network's inputs."""
        return NetworkFile.of(in_source_form(proto, self._job.model, self._target)[0], "a draft")

    def _measured(self, floats: frozenset[str], written: WrittenDraft) -> MeasuredDraft:
        """Compare a draft with the float network."""
        simulator, file = written.simulator, written.draft.file
        if self._wanted is None:
            reference = Simulator(self._job.model.folded, simulator.plan, task=self._job.model.task)
            self._wanted = self._outputs(reference.to(self._job.source.device), Mode.FLOAT)
        found = self._outputs(simulator, Mode.QUANTIZE)
        quantized = self.file_of(file)
        errors = compare_outputs(self._compared(found, self._wanted))
        return MeasuredDraft(
            floats=floats,
            noise=output_noise(found, self._wanted),
            margin_db=np.array([min(_MOST_MARGIN_DB, each.snr_db - each.snr_low_db) for each in errors]),
            agreement=same_answers(simulator.task, found, self._wanted),
            latency_ratio=self.latency_ratio(quantized),
            size_ratio=len(quantized.data) / len(self._float.data),
        )

    def make(self, floats: frozenset[str]) -> MeasuredDraft:
        """A draft with these units float, measured; each is made once."""

        def made() -> MeasuredDraft:
            return self._measured(floats, self.written(floats) if floats else self.everything_quantized)

        return self.kept.draft(floats, made)

    @cached_property
    def _recipe(self) -> Recipe:
        """The recipe without its slow steps."""
        recipe = self._job.recipe
        quick = {"rounding": False, "refit": False, "finetune": None, "activation_scales": False}
        calibration = recipe.calibration.model_copy(update={"images": len(self.fitted)})
        tuning = recipe.tuning.model_copy(update={**quick, "split_channels": False})
        return recipe.model_copy(update={"tuning": tuning, "calibration": calibration})

    @torch.no_grad()
    def _outputs(self, simulator: Simulator, mode: Mode) -> Outputs:
        device = self._job.source.device
        with simulator.in_mode(mode):
            batches = self.held_out_images.split(batch_size(self.held_out_images.shape[1:]))
            return concatenated([simulator(batch.to(device)) for batch in batches])

    def _compared(self, found: Outputs, wanted: Outputs) -> ComparedOutputs:
        floats, quantized = ([part.cpu().numpy() for part in as_tuple(outputs)] for outputs in (wanted, found))
        names = [str(place) for place in range(len(floats))]
        return ComparedOutputs(
            images=self.held_out, names=names, float_network=floats, quantized=quantized, source="held-out images"
        )

    @cached_property
    def _float_session(self) -> Session:
        return self._measuring.measured_on.load(self._float.data, 1)

    def latency_ratio(self, quantized: NetworkFile) -> float | None:
        """Median latency of a file relative to the float network's; None where no runtime can be asked."""
        if not self.timed:
            return None
        images = self.timing_images
        try:
            session = self._measuring.measured_on.load(quantized.data, 1)
            timers = {"float": self._float_session.timer(images), "draft": session.timer(images)}
            samples = interleave(timers, budget_seconds=_SECONDS, min_rounds=_ROUNDS)
        except (BackendUnavailable, InputError):
            return None
        return float(np.reciprocal(versus(samples["float"], samples["draft"]).value))


def _count(most: int, fewest: int, pixels: int) -> int:
    """Images to work with: fewer of large ones."""
    return max(fewest, min(most, most * _FULL_SIZE // (2 * pixels)))
