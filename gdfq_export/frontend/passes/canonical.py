"""The canonical float graph: one form of every construct, whoever exported it.

Opset 21, static but for the batch, constants as initializers, every node and value named, BatchNormalization kept. The
user's names of values, inputs and outputs stay.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx
import onnx_ir as ir
from onnx_ir.passes import common

from gdfq_export.errors import InputError
from gdfq_export.frontend.passes.batch.batch_axis import BatchNotFreed, free_batch
from gdfq_export.frontend.passes.batch.row_for_image import RowForImagePass, require_rows_of_images
from gdfq_export.frontend.passes.batch.symbolic_batch import (
    fixed_batch,
    with_symbolic_batch,
    without_shapes,
)
from gdfq_export.frontend.passes.batch.two_batches import same_on_two_batches
from gdfq_export.frontend.passes.constants.cast_like import fold_cast_like
from gdfq_export.frontend.passes.constants.constant_arithmetic import ConstantArithmeticPass
from gdfq_export.frontend.passes.constants.constant_reshape import ConstantReshapePass
from gdfq_export.frontend.passes.constants.constant_resize import ConstantResizePass
from gdfq_export.frontend.passes.default_attributes import DefaultAttributesPass
from gdfq_export.frontend.passes.dropout import DropoutToIdentityPass
from gdfq_export.frontend.passes.measured_shapes import Measured, annotate_shapes, measure_shapes
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


def canonicalize(proto: onnx.ModelProto, where: str) -> ir.Model:
    """Return the canonical form of `proto`, which is not modified.

    Args:
        proto: float32 network whose inputs have static dimensions after the batch.
        where: what the user calls the network, for messages.

    Raises:
        InputError: the graph is not valid ONNX, cannot be converted to opset 21, or is fixed to a batch of several
            images, which it gives no rows for.
    """
    if fixed_batch(proto) is None:
        return _canonical(with_symbolic_batch(proto), proto, where)
    try:
        model = _canonical(with_symbolic_batch(proto), proto, where)
        if same_on_two_batches(proto, ir.to_proto(model)):
            return model
    except InputError:  # with another batch it does not run
        pass
    try:
        model = _canonical(with_symbolic_batch(_with_freed_batch(proto, where)), proto, where)
        if same_on_two_batches(proto, ir.to_proto(model)):
            return model
    except (BatchNotFreed, InputError):
        pass
    model = _canonical(without_shapes(proto), proto, where)
    require_rows_of_images(model.graph, where)
    return model


def _with_freed_batch(proto: onnx.ModelProto, where: str) -> onnx.ModelProto:
    """The graph at its batch, simplified, and then freed from it value by value."""
    static = ir.from_proto(simplify(fold_cast_like(to_canonical_opset(without_shapes(proto), where)), where))
    _prepare(static)
    measured = measure_shapes(static, where)
    free_batch(static, {name: facts.shapes[0] for name, facts in measured.items() if facts.shapes})
    return ir.to_proto(static)


def _canonical(proto: onnx.ModelProto, original: onnx.ModelProto, where: str) -> ir.Model:
    """The canonical form of `proto`, whose batch is symbolic, or fixed and kept; names of `original` stay."""
    known = _names(original)
    free = simplify(fold_cast_like(to_canonical_opset(proto, where)), where)
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
    RowForImagePass()(model)
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
