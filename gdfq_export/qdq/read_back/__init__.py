"""A quantized ONNX file -> the integer simulator of it, from the file alone: the inverse of `writer/`.

What is read: files of this tool for runtimes whose numbers are limited as codes (`ort-cpu`, `ort-cpu-avx2`,
`openvino`), and Q/DQ files of other tools with uint8 activations, as ONNX Runtime computes them: int8 or uint8 weights
a tensor or a channel, int32 biases, constant operands, activations that stay or that their quantizer makes redundant.
The simulator describes the file as it stands, changes by hand included, so that a runtime that computes otherwise is
found.

What is refused, with the node's name: layers that run in float, since the order of their sums is the runtime's own;
int8 activations where the target has uint8 kernels, since ONNX Runtime turns some of them into uint8, by what else
reads them; biases whose scale is not the product of the two others, since kernels do not look at it; other types;
files whose numbers are limited before they are rounded (`tensorrt`, `portable`), which no runtime computes to the bit.

Bits are those of the type, or of the Clip that limits codes: a file does not say that a constant uses fewer.
"""

from __future__ import annotations

import onnx

from gdfq_export.errors import InputError
from gdfq_export.frontend.passes.rewrites.recognize_hard_swish import HardSigmoidPass
from gdfq_export.qdq.metadata import own_metadata
from gdfq_export.qdq.read_back.constant_folding import prepare
from gdfq_export.qdq.read_back.kernel_matching import fused_nodes
from gdfq_export.qdq.read_back.plan_of_file import plan_of_file
from gdfq_export.qdq.read_back.remove_qdq import FloatGraph, float_graph, key_of
from gdfq_export.qdq.writer.average_pools import join_signal_pools
from gdfq_export.simulator.integer_simulator import IntegerSimulator
from gdfq_export.targets import TARGETS, Clip, Target, find_target


def read_back(model: onnx.ModelProto, kernels: str | None = None) -> IntegerSimulator:
    """The simulator of a quantized file; its `plan.target` says whether it is exact (`Target.exact`).

    Args:
        model: the file.
        kernels: the entry of `KERNEL_SETS` to compute with, for a CPU that is not at hand; None: the target's.

    Raises:
        InputError: something in the file has no exact simulation; the message names the node.
    """
    target = _target(model)
    if target.clip is Clip.VALUES and not target.exact:
        raise InputError(
            f"the file is for {target.name}, where runtimes add in an order of their own: no exact simulation of it "
            "exists"
        )
    prepared = prepare(model)
    if target.hard_sigmoid_as_clip:
        HardSigmoidPass()(prepared)
    if target.signal_pools_as_images:
        join_signal_pools(prepared.graph)
    file = float_graph(prepared, target)
    _require_types(file, target)
    planned = fused_nodes(file, target, own=bool(own_metadata(model)))
    plan, encodings, names = plan_of_file(file, planned, target)
    return IntegerSimulator(file.model, plan, encodings, names=names, kernels=kernels)


def _target(model: onnx.ModelProto) -> Target:
    """The target the file was written for; of another tool's file, ONNX Runtime."""
    if (name := own_metadata(model).get("target")) is not None:
        return find_target(name)
    return next(target for target in TARGETS.values() if target.backend == "onnxruntime" and target.exact)


def _require_types(file: FloatGraph, target: Target) -> None:
    for activation in file.activations.values():
        if activation.params.signed != target.activation.signed:
            found, wanted = ("int8", "uint8") if activation.params.signed else ("uint8", "int8")
            raise InputError(
                f"{activation.codes} is {found} where integer kernels take {wanted}, and which of them the runtime "
                "turns into the other depends on what else reads them: no exact simulation of it exists"
            )
