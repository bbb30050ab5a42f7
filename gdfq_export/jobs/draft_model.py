"""A draft: the file with ranges from a few images and without tuning, to measure its latency and its size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import onnx
from torch import Tensor

from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.planning.placement import as_planned, plan_of
from gdfq_export.planning.plan import QuantPlan
from gdfq_export.qdq.writer import write_onnx
from gdfq_export.recipe import Bits, Calibration
from gdfq_export.simulator import Encoding, IntegerSimulator, Simulator
from gdfq_export.targets import find_target
from gdfq_export.tuning import calibrate


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The file, what it was written of, and `exact`, its simulation."""

    file: onnx.ModelProto
    plan: QuantPlan
    encodings: Mapping[str, Encoding]
    exact: IntegerSimulator


def write_draft(
    model: FloatModel, target: str, bits: Bits, images: Tensor, metadata: Mapping[str, str] | None = None
) -> Draft:
    """Plan, quantize and write, in a second or so.

    Args:
        model: the float network.
        target: name of a target.
        bits: bit widths; `bits.mixed` raises no layer.
        images: [N, C, H, W] in the network's input range, run once for the ranges.
        metadata: of the file; by default that it is a draft.

    Raises:
        InputError: the network or the target does not take what `bits` says.
    """
    model = as_planned(model, find_target(target), bits)
    facts = {"draft": "yes", "target": target} if metadata is None else metadata
    return draft_of(model, plan_of(model, target, bits), images, facts)


def draft_of(model: FloatModel, plan: QuantPlan, images: Tensor, metadata: Mapping[str, str]) -> Draft:
    """The draft of a plan that is already made; arguments are those of `write_draft`."""
    simulator = Simulator(model.folded, plan, task=model.task)
    calibrate(simulator, [images], Calibration(activations="minmax", weights="minmax"))
    return frozen_draft(model, simulator, metadata)


def frozen_draft(model: FloatModel, simulator: Simulator, metadata: Mapping[str, str]) -> Draft:
    """The draft of a simulator that is calibrated; arguments are those of `write_draft`."""
    plan, encodings, parameters = simulator.plan, simulator.freeze(), simulator.tuned_parameters()
    return Draft(
        file=write_onnx(model.folded, plan, encodings, parameters, metadata),
        plan=plan,
        encodings=encodings,
        exact=IntegerSimulator(model.folded, plan, encodings, parameters),
    )
