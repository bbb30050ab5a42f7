"""`bits.mixed` of a recipe: costs and limits, sensitivities measured on the run's images, bits of layers chosen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.passes.fold_batch_norm import ChannelStatistics
from gdfq_export.jobs.draft_model import draft_of
from gdfq_export.jobs.image_source import ImageSource
from gdfq_export.jobs.provenance import file_metadata
from gdfq_export.planning.mixable import Mixable, mixable, raise_all, raise_layers
from gdfq_export.planning.mixed_precision import Limits, MixedPrecision, mix
from gdfq_export.planning.placement import plan_of
from gdfq_export.planning.plan import QuantPlan
from gdfq_export.recipe import MixedBits, Recipe
from gdfq_export.simulator import Simulator
from gdfq_export.support.batch_size import batch_size
from gdfq_export.tuning import calibrate
from gdfq_export.tuning.dfq.equalization import equalize
from gdfq_export.tuning.sensitivity import sensitivity

_SENSITIVITY_IMAGES = 64
_DRAFT_IMAGES = 8  # that give a draft its ranges


@dataclass(frozen=True, slots=True, kw_only=True)
class MixingJob:
    """What the bits of layers are chosen for.

    Attributes:
        model: the float network.
        recipe: as it is used for this network's image size.
        mixed: the recipe's `bits.mixed`.
        source: of the images.
        statistics: what is known of the float network's values, by name.
    """

    model: FloatModel
    recipe: Recipe
    mixed: MixedBits
    source: ImageSource
    statistics: Mapping[str, ChannelStatistics]


def mix_bits(job: MixingJob, simulator: Simulator, images: Tensor) -> tuple[MixedPrecision, tuple[str, ...]]:
    """What `bits.mixed` comes to, and what the user should know.

    Args:
        job: network, recipe and source.
        simulator: of the plan with nothing raised, with the float network's parameters, not calibrated; it is used up.
        images: [N, C, H, W] in the network's input range; the first 64 are used.

    Raises:
        InputError: nothing may be raised.
    """
    recipe, mixed, graph = job.recipe, job.mixed, job.model.folded.graph
    every = plan_of(job.model, recipe.target, raise_all(recipe.bits, mixed, graph, simulator.plan))
    network = mixable(graph, simulator.plan, every)
    points = network.points(limited_operations=mixed.operations is not None)
    notes = _free(job, network)
    if not points:
        return mix(recipe.bits, mixed, network, errors={}, limits=Limits()), notes
    room, warnings = _file_growth(job, _smallest(job, simulator.plan, network), images)
    operations, more = _operations(mixed, network)
    limits = Limits(bytes_added=min(int(mixed.growth * network.weight_bytes), room), operations=operations)
    images = images[:_SENSITIVITY_IMAGES]
    if mixed.operations is not None:
        _calibrate(job, simulator, images)
    name = "measure layers"
    with job.source.recorded.phase(name) as phase:
        errors = sensitivity(
            simulator,
            images,
            points,
            on_point=lambda done, total: phase(done, total, {}),
            checkpoint=job.source.recorded.checkpoints.of(name),
        )
    return mix(recipe.bits, mixed, network, errors=errors, limits=limits), (*notes, *warnings, *more)


def _free(job: MixingJob, network: Mixable) -> tuple[str, ...]:
    """What more bits cost nothing for, so that everything gets them."""
    bits, mixed, target = job.recipe.bits, job.mixed, job.recipe.target
    if mixed.operations is not None or not network.has_choices:
        return ()
    found = []
    if not any(layer.bytes_added for layer in network.layers):
        found.append(
            f"{target} stores weights of {mixed.weights} bits in as many bytes as those of {bits.weights}: "
            f"bits.mixed gives {mixed.weights} bits to every layer"
        )
    if any(layer.activations is not None and len(layer.activations.choices) > 1 for layer in network.layers):
        found.append(
            f"{target} computes activations of fewer than 8 bits in INT8 too, and the file holds none: bits.mixed "
            f"gives {mixed.activations} bits to the input of every layer; for hardware where fewer bits are faster set "
            "bits.mixed.operations"
        )
    return tuple(found)


def _calibrate(job: MixingJob, simulator: Simulator, images: Tensor) -> None:
    """Scale channels as the recipe will, and give activations their ranges: 4 bits of them differ much without."""
    if job.recipe.tuning.equalization != "none":
        equalize(simulator, job.statistics, job.recipe.tuning.equalization)
    batches = (batch.to(job.source.device) for batch in images.split(batch_size(images.shape[1:])))
    calibrate(simulator, batches, job.recipe.calibration)


def _operations(mixed: MixedBits, network: Mixable) -> tuple[float, tuple[str, ...]]:
    """Bit operations for one image that `mixed.operations` allows, but not fewer than the fewest bits take."""
    if mixed.operations is None:
        return math.inf, ()
    wanted, fewest = mixed.operations * network.whole_operations, network.fewest_operations
    if fewest <= wanted:
        return wanted, ()
    return fewest, (
        f"bits.mixed.operations is {mixed.operations:g}, and the network takes {fewest / network.whole_operations:.3f} "
        "of its bit operations at 8 bits before anything is raised: no layer gets more bits that cost operations",
    )


def _smallest(job: MixingJob, plan: QuantPlan, network: Mixable) -> QuantPlan:
    """The plan with nothing raised but what is free: activations of 8 bits need no Clip in the file."""
    if job.mixed.activations is None or job.mixed.operations is not None:
        return plan
    names = [layer.name for layer in network.layers]
    return plan_of(job.model, job.recipe.target, raise_layers(job.recipe.bits, job.mixed, (), names))


def _file_growth(job: MixingJob, plan: QuantPlan, images: Tensor) -> tuple[float, tuple[str, ...]]:
    """Bytes that the file may grow by until it takes `mixed.size_ratio` of the float file's; infinity: no such limit.

    The size is that of a draft, which differs from the file by some bytes for each zero point, and by the Cast nodes
    that raised layers do without.
    """
    ratio = job.mixed.size_ratio
    if ratio is None:
        return math.inf, ()
    metadata = file_metadata(job.model, job.recipe, job.source)
    draft = draft_of(job.model, plan, images[:_DRAFT_IMAGES].cpu(), metadata)
    least, floating = draft.file.ByteSize(), job.model.original.ByteSize()
    room = int(ratio * floating) - least
    if room >= 0:
        return room, ()
    return math.inf, (
        f"bits.mixed.size_ratio is {ratio:g}, and the file takes {least / floating:.3f} of the float file's bytes "
        "before any layer is raised: bits.mixed.growth alone limits which are",
    )
