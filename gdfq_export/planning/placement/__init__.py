"""graph + target + bit widths -> QuantPlan, in two walks over the canonical graph.

1. A node gets an integer kernel if the target has a rule for its operator and its constant inputs are what the rule
   needs; a node that only moves codes, if its input carries codes (`kernels`).
2. A Relu or Clip that is the only consumer of a kernel's output is absorbed: its output is what is quantized.
3. Every activation input and every output of a kernel is a quantization point; outputs with the scale of the input
   share its group (`points`).
4. A tensor has the bits that the recipe gives its kind, with the recipe's exceptions (`bit_widths`); a group has those
   of its widest tensor.
"""

from __future__ import annotations

from collections.abc import Collection

import onnx_ir as ir

from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.planning.placement.bit_widths import Widths
from gdfq_export.planning.placement.float_reasons import KEPT, WIDE
from gdfq_export.planning.placement.fused_add import clipped_summand
from gdfq_export.planning.placement.graph_nodes import activation_bounds, rule_of
from gdfq_export.planning.placement.kernels import choose_kernels
from gdfq_export.planning.placement.named_nodes import named_nodes, with_shared_weights
from gdfq_export.planning.placement.points import InputRange, place_points
from gdfq_export.planning.placement.separated import with_separated
from gdfq_export.planning.placement.unsupported import unsupported_reason
from gdfq_export.planning.placement.weight_formats import forewarnings, with_forms
from gdfq_export.planning.placement.wide import wide_nodes, with_conversions
from gdfq_export.planning.plan import QuantPlan
from gdfq_export.planning.scaled_hard_swish import with_scaled_channels
from gdfq_export.recipe import Bits
from gdfq_export.targets import Target, find_target


def as_planned(model: FloatModel, target: Target, bits: Bits) -> FloatModel:
    """The network in the form that is planned: channels scaled, and values converted between 8 and 16 bits."""
    scaled = with_scaled_channels(model, target) if bits.scaled_channels else model
    return with_conversions(scaled, target, bits)


def plan_of(model: FloatModel, target: str, bits: Bits) -> QuantPlan:
    """The plan of a network for the target of that name.

    Raises:
        InputError: no target has that name, or as `build_plan` says.
    """
    specs = model.input_spec.by_name or {model.input_name: model.input_spec}
    ranges = {name: (min(spec.low), max(spec.high)) for name, spec in specs.items()}
    return build_plan(model.folded, find_target(target), bits, compared=model.task.compared, input_range=ranges)


def build_plan(
    model: ir.Model, target: Target, bits: Bits, *, compared: Collection[str], input_range: InputRange
) -> QuantPlan:
    """Place Q/DQ on a canonical graph.

    Args:
        model: canonical graph, BatchNormalization folded.
        target: the runtime's table.
        bits: bit widths by what they apply to.
        compared: names of the values whose numbers are compared with the float network's (`Task.compared`).
        input_range: smallest and largest value the network's input can have, of several inputs by name.

    Raises:
        InputError: a name among the recipe's exceptions is no layer's, or the target takes no weights of the form that
            the recipe asks for.
    """
    target = with_forms(target, bits)
    kept = with_shared_weights(model.graph, named_nodes(model.graph, bits.keep_float, key="bits.keep_float"))
    wide = wide_nodes(model.graph, target, bits) - kept
    reasons = dict.fromkeys(wide, WIDE) | dict.fromkeys(kept, KEPT)
    kernels = choose_kernels(model.graph, target, compared, reasons)
    points = place_points(kernels, Widths(kernels, bits), input_range)
    return QuantPlan(target.name, points, with_separated(kernels, points))
