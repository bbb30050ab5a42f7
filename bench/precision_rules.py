"""Simpler rules for which layers stay float: each is an order, of which a user takes as many as the time allows.

* First and last: layers from both ends of the network inwards.
* ONNX Runtime: the nodes that write the tensors of the lowest signal to quantization noise first, as
  `onnxruntime.quantization.qdq_loss_debug` measures it, for `nodes_to_exclude` of `quantize_static`.
* NNCF's accuracy control (docs.openvino.ai, "Quantizing with Accuracy Control"): everything is quantized, each layer
  alone is reverted to float, and the layer of the largest gain comes first.
* ModelOpt's list (`find_nodes_from_convs_to_exclude` and its like for products, version 0.47): convolutions and
  products of few channels. It is one list, not an order.
"""

from __future__ import annotations

import math
from pathlib import Path

import gdfq_export  # noqa: F401  # turns telemetry off, before onnxruntime is imported

# isort: split
import onnx
import torch
from onnxruntime.quantization import qdq_loss_debug
from torch import Tensor

from bench.peers import reader, static_recommended
from gdfq_export.jobs.precision.choose_precision import Drafts
from gdfq_export.planning.precision.units import Units
from gdfq_export.simulator import Mode, Simulator
from gdfq_export.tasks.outputs import concatenated
from gdfq_export.tuning.sensitivity import output_noise

_FEW, _MULTIPLE, _KERNEL = 16, 8, 3  # channels and sizes of ModelOpt's rule


def first_and_last(units: Units) -> list[str]:
    """Layers from both ends inwards."""
    names = [unit.name for unit in units.units]
    return list(dict.fromkeys(name for pair in zip(names, reversed(names), strict=True) for name in pair))


@torch.no_grad()
def by_reverting(units: Units, drafts: Drafts) -> list[str]:
    """NNCF's order: the noise of the noisiest output that is left where one layer alone is float, the least first."""
    simulator, images = drafts.everything_quantized.simulator, drafts.measured_on
    with simulator.in_mode(Mode.FLOAT):
        wanted = concatenated([simulator(image[None]) for image in images])
    left = {}
    for unit in units.units:
        read = [each.group for each in units.boundaries if unit.name in each.readers]
        with simulator.in_mode(Mode.QUANTIZE):
            _set_mode(simulator, [*read, *unit.points], Mode.FLOAT)
            found = concatenated([simulator(image[None]) for image in images])
            _set_mode(simulator, [*read, *unit.points], Mode.QUANTIZE)
        left[unit.name] = float(output_noise(found, wanted).max())
    return sorted(left, key=lambda name: left[name])


def _set_mode(simulator: Simulator, keys: list[str], mode: Mode) -> None:
    for key in keys:
        if key in simulator.quantizers:
            simulator.quantizers[key].mode = mode


def few_channels(proto: onnx.ModelProto, units: Units) -> list[str]:
    """ModelOpt's list for int8."""
    shapes = {value.name: tuple(value.dims) for value in proto.graph.initializer}
    names = {unit.name for unit in units.units}
    inputs = {value.name for value in proto.graph.input}
    found = []
    for node in proto.graph.node:
        shape = shapes.get(node.input[1]) if len(node.input) > 1 else None
        if node.name not in names or shape is None:
            continue
        if node.op_type == "Conv" and _is_left_out(node, shape, first=node.input[0] in inputs):
            found.append(node.name)
        if node.op_type in ("Gemm", "MatMul") and min(shape) < _FEW:
            found.append(node.name)
    return found


def _is_left_out(node: onnx.NodeProto, shape: tuple[int, ...], *, first: bool) -> bool:
    outputs, inputs, kernel = shape[0], shape[1], shape[2:]
    groups = next((int(attribute.i) for attribute in node.attribute if attribute.name == "group"), 1)
    if min(outputs, inputs) >= _FEW:
        return False
    if groups > 1:
        return outputs % _MULTIPLE != 0 or min(kernel) < _KERNEL
    taken = outputs % _MULTIPLE == 0 or inputs % _MULTIPLE == 0
    return not (taken and (first or max(outputs, inputs) >= _FEW) and len(set(kernel)) == 1)


def by_loss(model: Path, images: Tensor, folder: Path) -> list[str]:
    """ONNX Runtime's order: nodes of its pre-processed network, those of the noisiest tensors first."""
    quantized = static_recommended(model, images, folder)
    prepared = folder / "prepared.onnx"
    activations = []
    for file in (quantized, prepared):
        augmented = folder / "augmented.onnx"
        qdq_loss_debug.modify_model_output_intermediate_tensors(file, augmented)
        activations.append(qdq_loss_debug.collect_activations(str(augmented), reader(prepared, images[:4])))
    matched = qdq_loss_debug.create_activation_matching(*activations)
    matched = {name: values for name, values in matched.items() if "float" in values}
    errors = qdq_loss_debug.compute_activation_error(matched)
    writers = {name: node.name for node in onnx.load(prepared).graph.node for name in node.output}
    noisy = sorted(errors, key=lambda name: errors[name]["qdq_err"])
    return [writers[name] for name in noisy if writers.get(name)]


def counts(layers: int) -> list[int]:
    """How many layers of an order are tried: shares of them all."""
    shares = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 1)
    return sorted({math.ceil(share * layers) for share in shares})
