"""Every graph is brought to opset 21: the version the writer emits, and the first with 4-bit Q/DQ."""

from __future__ import annotations

import onnx
from onnx import helper, inliner, version_converter

from gdfq_export.errors import InputError

OPSET = 21
IR_VERSION = 10  # the version of the file format that came with opset 21
OLDEST_OPSET = 7

_ASYMMETRIC_RESIZE = 10  # Upsample, and Resize up to this version, know one way to place pixels
_PLACEMENT = "coordinate_transformation_mode"


def opset_of(proto: onnx.ModelProto) -> int:
    """Version of the default operator set; 0 if the file imports none."""
    return max((entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")), default=0)


def to_canonical_opset(proto: onnx.ModelProto, where: str) -> onnx.ModelProto:
    """Return `proto` at opset 21, its local functions inlined; values keep their names.

    Raises:
        InputError: ONNX's converter knows no way from or to this version for one of the operators.
    """
    if proto.functions:
        proto = inliner.inline_local_functions(proto)
    version = opset_of(proto)
    if version != OPSET:
        try:
            proto = version_converter.convert_version(proto, OPSET)
        except Exception as error:  # the converter raises RuntimeError, ValueError and assertions of its C++ core
            reason = " ".join(str(error).split())
            raise InputError(
                f"{where} uses opset {version} and ONNX cannot convert it to opset {OPSET} ({reason}); "
                f"export it with opset {OPSET}"
            ) from error
        if version <= _ASYMMETRIC_RESIZE:
            _keep_pixels_in_place(proto)
    proto.ir_version = IR_VERSION
    return proto


def _keep_pixels_in_place(proto: onnx.ModelProto) -> None:
    """State how Upsample and the first Resize place pixels: ONNX's converter leaves the default of later versions."""
    for node in proto.graph.node:
        if node.op_type == "Resize" and not any(entry.name == _PLACEMENT for entry in node.attribute):
            node.attribute.append(helper.make_attribute(_PLACEMENT, "asymmetric"))
            node.attribute.append(helper.make_attribute("nearest_mode", "floor"))
