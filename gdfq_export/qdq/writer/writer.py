"""plan + tuned parameters -> ONNX: Q/DQ around the user's own nodes, integer weights as initializers.

`activations.py` and `constants.py` say what a point becomes (opset 21, measured to fuse completely in ONNX Runtime). An
absorbed Relu or Clip is left out: its bounds lie outside the code range, so QuantizeLinear, or the Clip that is written
beside it, does the same.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx
import onnx_ir as ir
from torch import Tensor

from gdfq_export import __version__
from gdfq_export.frontend.passes.batch.symbolic_batch import with_fixed_batch
from gdfq_export.frontend.passes.rewrites.gemm_as_product import gemm_as_product
from gdfq_export.frontend.passes.rewrites.write_hard_swish import join_hard_swish, spell_hard_sigmoid
from gdfq_export.planning.plan import QuantPlan, Role
from gdfq_export.qdq.metadata import as_metadata
from gdfq_export.qdq.writer.activations import separate_products, write_activation
from gdfq_export.qdq.writer.average_pools import pad_codes, split_signal_pools
from gdfq_export.qdq.writer.constants import bias_scale_names, products_of_blocks, write_constant
from gdfq_export.qdq.writer.written_graph import WrittenGraph
from gdfq_export.simulator import Encoding
from gdfq_export.targets import Target, find_target
from gdfq_export.targets.subbyte_types import NARROW_TYPES

_PRODUCER = "gdfq-export"
_IR_VERSION = 10


def write_onnx(
    folded: ir.Model,
    plan: QuantPlan,
    encodings: Mapping[str, Encoding],
    parameters: Mapping[str, Tensor],
    metadata: Mapping[str, str],
) -> onnx.ModelProto:
    """The quantized network as ONNX.

    Args:
        folded: canonical graph without BatchNormalization; not modified.
        plan: where Q/DQ go.
        encodings: scales, zero points and codes by point key.
        parameters: float values of the initializers that stay float, by name.
        metadata: `gdfq_export.*` facts for the model's metadata.
    """
    model = folded.clone()
    target = find_target(plan.target)
    for name, tensor in parameters.items():
        if name in model.graph.initializers:
            model.graph.initializers[name].const_value = ir.tensor(tensor.cpu().numpy(), name=name)
    written = WrittenGraph(model.graph, plan, encodings, zero_points_by_shape=target.zero_points_by_shape)
    _write_points(written, target)
    model.producer_name = _PRODUCER
    model.producer_version = __version__
    narrowest = [NARROW_TYPES[point.stored_bits] for point in plan.points if point.stored_bits in NARROW_TYPES]
    model.opset_imports[""] = max([target.opset, *(narrow.opset for narrow in narrowest)])
    model.ir_version = max([_IR_VERSION, *(narrow.ir_version for narrow in narrowest)])
    model.metadata_props.clear()
    model.metadata_props.update(as_metadata(metadata))
    proto = ir.to_proto(model)
    del proto.graph.value_info[:]
    return proto if target.batch is None else with_fixed_batch(proto, target.batch)


def _write_points(written: WrittenGraph, target: Target) -> None:
    for node in written.plan.nodes:
        if node.absorbed is not None:
            written.leave_out(written.nodes[node.absorbed])
    names = bias_scale_names(written)
    for point in written.plan.points:
        if point.role in (Role.INPUT, Role.ACTIVATION):
            write_activation(written, point, target.clip)
        else:
            write_constant(written, point, names)
    separate_products(written)
    for gemm in products_of_blocks(written):
        gemm_as_product(written.graph, gemm)
    join_hard_swish(written.graph)
    if target.hard_sigmoid_as_clip:
        spell_hard_sigmoid(written.graph)
    if target.padded_codes:
        pad_codes(written.graph)
    if target.signal_pools_as_images:
        split_signal_pools(written.graph)
    written.remove_unused()
    written.graph.sort()
