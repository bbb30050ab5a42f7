"""The canonical float graph: one form of every construct, whoever exported it.

Opset 21, static but for the batch, constants as initializers, every node and value named, BatchNormalization kept. The
user's names of values, inputs and outputs stay.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import onnx_ir as ir
from onnx_ir.passes import common

from gdfq_export.errors import InputError
from gdfq_export.frontend.passes.batch_axis import BatchNotFreed, free_batch
from gdfq_export.frontend.passes.constants.cast_like import fold_cast_like
from gdfq_export.frontend.passes.constants.constant_arithmetic import ConstantArithmeticPass
from gdfq_export.frontend.passes.constants.constant_reshape import ConstantReshapePass
from gdfq_export.frontend.passes.constants.constant_resize import ConstantResizePass
from gdfq_export.frontend.passes.default_attributes import DefaultAttributesPass
from gdfq_export.frontend.passes.dropout import DropoutToIdentityPass
from gdfq_export.frontend.passes.measured_shapes import Measured, annotate_shapes, measure_shapes, run_model
from gdfq_export.frontend.passes.opset import to_canonical_opset
from gdfq_export.frontend.passes.reserved_names import ReservedNamesPass
from gdfq_export.frontend.passes.rewrites.explicit_pads import ExplicitPadsPass
from gdfq_export.frontend.passes.rewrites.flatten import FlattenPass
from gdfq_export.frontend.passes.rewrites.fold_pad import FoldPadPass
from gdfq_export.frontend.passes.rewrites.gemm import GemmPass
from gdfq_export.frontend.passes.rewrites.global_average_pool import GlobalAveragePoolPass
from gdfq_export.frontend.passes.rewrites.kernel_forms.clip_behind_clip import ClipBehindClipPass
from gdfq_export.frontend.passes.rewrites.kernel_forms.global_max_pool import GlobalMaxPoolPass
from gdfq_export.frontend.passes.rewrites.kernel_forms.leaky_relu import LeakyReluPass
from gdfq_export.frontend.passes.rewrites.kernel_forms.sum_as_adds import SumAsAddsPass
from gdfq_export.frontend.passes.rewrites.pooled_classifier import PooledClassifierPass
from gdfq_export.frontend.passes.rewrites.recognize_hard_swish import HardSigmoidPass
from gdfq_export.frontend.passes.rewrites.relu_before_concat import ReluBeforeConcatPass
from gdfq_export.frontend.passes.rewrites.shared_stride import SharedStridePass
from gdfq_export.frontend.passes.rewrites.slice import SlicePass
from gdfq_export.frontend.passes.rewrites.trivial_shuffle import TrivialShufflePass
from gdfq_export.frontend.passes.simplify import simplify
from gdfq_export.frontend.passes.stable_names import StableNamesPass
from gdfq_export.frontend.passes.symbolic_batch import fixed_batch, graph_inputs, with_symbolic_batch, without_shapes


def canonicalize(proto: onnx.ModelProto, where: str) -> ir.Model:
    """Return the canonical form of `proto`, which is not modified.

    Args:
        proto: float32 network whose inputs have static dimensions after the batch.
        where: what the user calls the network, for messages.

    Raises:
        InputError: the graph is not valid ONNX, cannot be converted to opset 21, or cannot take any batch.
    """
    batch = fixed_batch(proto)
    if batch is None:
        return _canonical(proto, proto, where)
    try:
        model = _canonical(proto, proto, where)
        _require_same_outputs(proto, model, where)
    except InputError as error:
        try:
            model = _canonical(_with_freed_batch(proto, batch, where), proto, where)
        except BatchNotFreed as reason:
            raise InputError(
                f"{where} is built for a batch of exactly {batch} and computes otherwise with another ({reason}); "
                "export it with a dynamic batch dimension"
            ) from error
        _require_same_outputs(proto, model, where)
    return model


def _with_freed_batch(proto: onnx.ModelProto, batch: int, where: str) -> onnx.ModelProto:
    """The graph at its batch, simplified, and then freed from it value by value."""
    static = ir.from_proto(simplify(fold_cast_like(to_canonical_opset(without_shapes(proto), where)), where))
    _prepare(static)
    measured = measure_shapes(static, where, (batch, batch))
    free_batch(static, {name: facts.shapes[0] for name, facts in measured.items() if facts.shapes}, batch)
    return ir.to_proto(static)


def _canonical(proto: onnx.ModelProto, original: onnx.ModelProto, where: str) -> ir.Model:
    """The canonical form of `proto`, which takes any batch; names of `original` stay."""
    known = _names(original)
    free = simplify(fold_cast_like(to_canonical_opset(with_symbolic_batch(proto), where)), where)
    model = ir.from_proto(free)
    _prepare(model)
    _rewrite(model, annotate_shapes(model, where))
    _clean(model)
    ReservedNamesPass(where)(model)
    StableNamesPass(known | _our_names(model, free))(model)
    annotate_shapes(model, where, known_to_run=True)
    return model


def _prepare(model: ir.Model) -> None:
    common.RemoveInitializersFromInputsPass()(model)
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    DropoutToIdentityPass()(model)
    common.IdentityEliminationPass()(model)
    common.NameFixPass()(model)
    model.graph.sort()


def _rewrite(model: ir.Model, measured: Mapping[str, Measured]) -> None:
    ConstantReshapePass(measured)(model)
    ConstantResizePass(measured)(model)
    SumAsAddsPass()(model)
    GlobalMaxPoolPass()(model)
    LeakyReluPass()(model)
    ClipBehindClipPass()(model)
    ExplicitPadsPass()(model)
    GlobalAveragePoolPass()(model)
    FoldPadPass()(model)
    FlattenPass()(model)
    GemmPass()(model)
    ConstantArithmeticPass()(model)
    SlicePass()(model)
    PooledClassifierPass()(model)
    ReluBeforeConcatPass()(model)
    HardSigmoidPass()(model)
    SharedStridePass()(model)
    TrivialShufflePass()(model)
    DefaultAttributesPass()(model)


def _clean(model: ir.Model) -> None:
    common.IdentityEliminationPass()(model)
    common.RemoveUnusedNodesPass()(model)
    common.RemoveUnusedOpsetsPass()(model)
    common.TopologicalSortPass()(model)
    common.NameFixPass()(model)


def _names(proto: onnx.ModelProto) -> set[str]:
    names = {tensor.name for tensor in proto.graph.initializer}
    return names | {name for node in proto.graph.node for name in node.output}


def _our_names(model: ir.Model, converted: onnx.ModelProto) -> set[str]:
    """Initializers added by passes: those the converted graph did not have."""
    return set(model.graph.initializers) - _names(converted)


def _require_same_outputs(proto: onnx.ModelProto, model: ir.Model, where: str) -> None:
    """Two fixed batches at once must give what each gives alone; otherwise the batch is part of the computation."""
    random = np.random.default_rng(0)
    batch = fixed_batch(proto) or 1
    inputs = graph_inputs(proto)
    names = [value.name for value in inputs]
    shapes = {value.name: [d.dim_value for d in value.type.tensor_type.shape.dim[1:]] for value in inputs}
    parts = [{n: random.random((batch, *shapes[n]), dtype=np.float32) for n in names} for _ in range(2)]
    apart = [run_model(proto, part) for part in parts]
    together = run_model(ir.to_proto(model), {n: np.concatenate([part[n] for part in parts]) for n in names})
    for name, result in together.items():
        expected = np.concatenate([run[name] for run in apart])
        near = 1e-4 * float(np.abs(expected).max())
        if expected.shape != result.shape or not np.allclose(expected, result, rtol=1e-3, atol=near):
            raise InputError(
                f"{where} is built for a batch of exactly {batch} and its output {name} changes with another batch; "
                "export it with a dynamic batch dimension"
            )
