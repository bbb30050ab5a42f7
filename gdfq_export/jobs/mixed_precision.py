"""`bits.mixed` of a recipe: costs and limits in bytes, sensitivities measured on the run's images, layers chosen."""

from __future__ import annotations

from torch import Tensor

from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs.draft_model import draft_of
from gdfq_export.jobs.image_source import ImageSource
from gdfq_export.jobs.provenance import file_metadata
from gdfq_export.planning.mixed_precision import MixedPrecision, mix, raise_layers, raising_costs, weight_bytes
from gdfq_export.planning.placement import plan_of
from gdfq_export.recipe import MixedBits, Recipe
from gdfq_export.simulator import Simulator
from gdfq_export.tuning.weight_sensitivity import weight_sensitivity

_SENSITIVITY_IMAGES = 64
_DRAFT_IMAGES = 8  # that give a draft its ranges


def mix_bits(
    model: FloatModel, simulator: Simulator, images: Tensor, recipe: Recipe, mixed: MixedBits, source: ImageSource
) -> tuple[MixedPrecision, tuple[str, ...]]:
    """What `bits.mixed` comes to, and warnings.

    Args:
        model: the float network.
        simulator: of the plan in which no layer is raised, with the float network's parameters, not calibrated.
        images: [N, C, H, W] in the network's input range; the first 64 are used.
        recipe: as it is used for this network's image size.
        mixed: the recipe's `bits.mixed`.
        source: of the images.

    Raises:
        InputError: no layer may be raised.
    """
    graph, plan, bits = model.folded.graph, simulator.plan, recipe.bits
    sizes = weight_bytes(graph, plan)
    every = raise_layers(bits, mixed, sizes)
    costs = raising_costs(graph, plan, plan_of(model, recipe.target, every))
    if not any(costs.values()):
        return mix(bits, mixed, sizes, costs, {}), (
            f"{recipe.target} stores weights of {mixed.weights} bits in as many bytes as those of {bits.weights}: "
            f"bits.mixed gives {mixed.weights} bits to every layer",
        )
    room, warnings = _file_growth(model, simulator, images, recipe, mixed, source)
    with source.recorded.phase("measure layers") as phase:
        sensitivity = weight_sensitivity(
            simulator, images[:_SENSITIVITY_IMAGES], on_layer=lambda done, total: phase(done, total, {})
        )
    return mix(bits, mixed, sizes, costs, sensitivity, room=room), warnings


def _file_growth(
    model: FloatModel, simulator: Simulator, images: Tensor, recipe: Recipe, mixed: MixedBits, source: ImageSource
) -> tuple[int | None, tuple[str, ...]]:
    """Bytes that the file may grow by until it takes `mixed.size_ratio` of the float file's; None: no such limit.

    The size is that of a draft, which differs from the file by some bytes for each zero point, and by the Cast nodes
    that raised layers do without.
    """
    if mixed.size_ratio is None:
        return None, ()
    draft = draft_of(model, simulator.plan, images[:_DRAFT_IMAGES].cpu(), file_metadata(model, recipe, source))
    least, floating = draft.file.ByteSize(), model.original.ByteSize()
    room = int(mixed.size_ratio * floating) - least
    if room >= 0:
        return room, ()
    return None, (
        f"bits.mixed.size_ratio is {mixed.size_ratio:g}, and the file takes {least / floating:.3f} of the float file's "
        "bytes before any layer is raised: bits.mixed.growth alone limits which are",
    )
