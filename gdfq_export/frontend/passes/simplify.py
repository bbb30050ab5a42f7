"""onnxsim, with BatchNormalization left standing: its statistics are what data-free methods live on."""

from __future__ import annotations

import onnx
import onnxsim

from gdfq_export.errors import InputError

_KEPT_FROM_ONNXSIM = [
    "fuse_bn_into_conv",
    "eliminate_duplicate_initializer",  # equal weights of two layers must be tuned apart
    "fuse_pad_into_conv",  # FoldPadPass decides these, with the rules written there
    "fuse_pad_into_pool",
]


def simplify(proto: onnx.ModelProto, where: str) -> onnx.ModelProto:
    """Fold constants and remove no-ops; the number of BatchNormalization nodes and the symbolic batch stay.

    Raises:
        InputError: onnxsim cannot process the graph.
    """
    notes = {entry.key for entry in proto.metadata_props}
    simple: onnx.ModelProto
    try:
        simple, _ = onnxsim.simplify(proto, skip_fuse_bn=True, skipped_optimizers=_KEPT_FROM_ONNXSIM, certify=False)
    except Exception as error:  # onnxsim raises whatever its C++ core or ONNX Runtime raised
        reason = " ".join(str(error).split())
        raise InputError(
            f"{where} cannot be simplified ({reason}); check that ONNX Runtime runs it, then export it again"
        ) from error
    for entry in [entry for entry in simple.metadata_props if entry.key not in notes]:
        simple.metadata_props.remove(entry)
    return simple
