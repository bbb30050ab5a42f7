"""Where ONNX Runtime computes other integers on ARM64 than on x86-64, found in the file alone.

Measured with ONNX Runtime 1.32 on emulated cores with and without dot product (Cortex-A53, A72, A76, and all that QEMU
knows), each rule by files that break it and by what these cores then compute. Everything else that the target's kernels
do is the same on both.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import input_at
from gdfq_export.lint.onnxruntime_fusion import result_of
from gdfq_export.lint.rules import Broken, broken_rules
from gdfq_export.qdq.reader.layers import QdqLayer
from gdfq_export.qdq.reader.model import QdqModel
from gdfq_export.qdq.reader.nodes import QdqNode, code_limits
from gdfq_export.simulator.kernel_sets import KERNEL_SETS
from gdfq_export.simulator.kernel_sets.equal_sums import all_pairs
from gdfq_export.support.finding import Consequence, Finding
from gdfq_export.support.quant_params import QuantParams
from gdfq_export.targets import Kernel, Target
from gdfq_export.targets.ort_cpu import PAIRS_PASS

_LEAST_WEIGHT = -128
_FAMILIES = {"onnxruntime-arm64": "ARM64 CPUs", "onnxruntime-sse": "x86-64 CPUs without AVX2"}
_DTYPES = {ir.DataType.UINT8: np.dtype(np.uint8), ir.DataType.INT8: np.dtype(np.int8)}


def arm64_findings(model: QdqModel, layers: list[QdqLayer], target: Target) -> list[Finding]:
    """Every rule that a layer or an Add breaks; nothing for targets whose files are made for one CPU family.

    Args:
        model: the file.
        layers: those that run on integers.
        target: whose kernels compute the same on several CPU families.
    """
    if not target.equal_kernels:
        return []
    return [
        *broken_rules(model, [_sums_wrap], layers),
        *broken_rules(model, [partial(_sums_differ, target)], model.nodes),
    ]


def _sums_wrap(model: QdqModel, layer: QdqLayer) -> Iterator[Broken]:
    """At most one weight of -128 in an output channel: two products of it with -128 exceed 16 bits.

    Activations of code 0 are -128 there. Kernels of depthwise convolutions add products in 16 bits on every core, the
    others on cores without dot product, and only those of uint8 activations.
    """
    weight, activation = layer.weight, layer.activation
    codes = layer.weight_codes(model)
    if codes is None or weight is None or activation is None or weight.dtype is not ir.DataType.INT8:
        return
    limits, used = code_limits(activation.dtype), model.codes_used(activation)
    depthwise = _is_depthwise(layer, len(codes))
    if limits is None or used is None or used[0] > limits[0]:
        return
    if not depthwise and activation.dtype is not ir.DataType.UINT8:
        return
    channels = (codes == _LEAST_WEIGHT).sum(axis=1) > 1
    if weight.zero_point is None or np.any(weight.zero_point) or not channels.any():
        return
    cores = "every ARM64 core" if depthwise else "ARM64 cores without dot product, such as Cortex-A53 and A72"
    where = f"in {int(channels.sum())} of {channels.size} channels two or more weights are -128"
    message = f"{where}, and their products may wrap 16 bits on {cores}; use codes from -127 on"
    yield "weights of -128", Consequence.OTHER_CPU, message


def _is_depthwise(layer: QdqLayer, channels: int) -> bool:
    group = layer.node.attributes.get_int("group", 1)
    shape = None if layer.weight is None else layer.weight.codes.shape
    return layer.op_type == "Conv" and shape is not None and shape[1:2] == (1,) and group == channels > 1


def _sums_differ(target: Target, model: QdqModel, node: ir.Node) -> Iterator[Broken]:
    """An integer Add gives the same code for every pair of codes, whichever CPU family computes it."""
    if node.op_type != "Add":
        return
    read = [model.dequantized(input_at(node, index), PAIRS_PASS) for index in (0, 1)]
    a, b, result = (None if pair is None else _grid(model, pair) for pair in (*read, result_of(model, node).writer))
    if a is None or b is None or result is None:
        return
    first, second = all_pairs(a, b)
    orders = ((first, second), (second, first))  # broadcasting may swap the summands
    here = [KERNEL_SETS[target.kernels].binary[Kernel.ADD](*pair, result) for pair in orders]
    for name in target.equal_kernels:
        there = [KERNEL_SETS[name].binary[Kernel.ADD](*pair, result) for pair in orders]
        differ = (here[0] != there[0]) | (here[1] != there[1])
        if differ.any():
            count = f"{int(differ.sum()):,} of {differ.numel():,} pairs of codes"
            what = f"{count} have another sum on {_FAMILIES[name]} than on x86-64 CPUs with AVX2"
            fix = "a scale of its result that is a few 0.02 % larger or smaller has none"
            yield "sums differ", Consequence.OTHER_CPU, f"{what}; {fix}"


def _grid(model: QdqModel, pair: QdqNode) -> QuantParams | None:
    """The codes of an activation or constant, where they are bytes with one scale."""
    used = model.codes_used(pair)
    if pair.dtype not in _DTYPES or used is None or pair.step is None or pair.zero is None or not pair.step > 0:
        return None
    return QuantParams(scale=np.float32(pair.step), zero_point=pair.zero, dtype=_DTYPES[pair.dtype], code_range=used)
