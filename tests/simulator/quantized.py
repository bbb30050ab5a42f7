"""One call from an ONNX graph to everything a parity test needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
import onnx_ir as ir
import torch

from gdfq_export.frontend.passes.canonical import canonicalize
from gdfq_export.frontend.passes.fold_batch_norm import fold_batch_norm
from gdfq_export.planning.placement import build_plan
from gdfq_export.planning.placement.wide import add_conversions
from gdfq_export.planning.plan import QuantPlan
from gdfq_export.qdq.writer import write_onnx
from gdfq_export.recipe import Bits, Calibration
from gdfq_export.simulator import IntegerSimulator, Simulator
from gdfq_export.targets import find_target
from gdfq_export.tasks.classification.task import Classification
from gdfq_export.tuning import calibrate

RANGE = (-2.0, 2.5)


@dataclass(frozen=True, kw_only=True)
class Quantized:
    folded: ir.Model
    plan: QuantPlan
    simulator: Simulator
    exact: IntegerSimulator
    file: onnx.ModelProto


def images_for(proto: onnx.ModelProto, count: int, seed: int = 0) -> np.ndarray:
    shape = [dimension.dim_value for dimension in proto.graph.input[0].type.tensor_type.shape.dim[1:]]
    random = np.random.default_rng(seed)
    return np.clip(random.normal(size=(count, *shape)), *RANGE).astype(np.float32)


def quantize(proto: onnx.ModelProto, bits: Bits | None = None, target: str = "ort-cpu") -> Quantized:
    """Canonical graph, plan, min-max calibration on random images, and the file."""
    folded = fold_batch_norm(canonicalize(proto, "test")).model
    add_conversions(folded.graph, find_target(target), bits or Bits())
    logits = str(folded.graph.outputs[0].name)
    plan = build_plan(folded, find_target(target), bits or Bits(), compared=[logits], input_range=RANGE)
    simulator = Simulator(folded, plan, task=Classification(classes=2, compared=(logits,)))
    batches = [torch.from_numpy(images_for(proto, 8))]
    calibrate(simulator, batches, Calibration(activations="minmax", weights="minmax"))
    encodings, parameters = simulator.freeze(), simulator.tuned_parameters()
    return Quantized(
        folded=folded,
        plan=plan,
        simulator=simulator,
        exact=IntegerSimulator(folded, plan, encodings, parameters),
        file=write_onnx(folded, plan, encodings, parameters, {"version": "test", "target": target}),
    )
