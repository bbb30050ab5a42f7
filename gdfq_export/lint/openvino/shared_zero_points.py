"""Zero points that weights of different shapes read: OpenVINO 2026.4 then computes all of these layers in float.

Its reader spreads the one tensor along each weight's output channels; where the ways differ ([C, 1, 1, 1] for a
convolution, [C, 1] for a fully connected layer) no weight is taken for a quantized one any more. Equal tensors of
their own cost a few bytes and run as integers. Networks with attention have layers of both kinds with equal channels.
"""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir

from gdfq_export.frontend.passes.constants.constant import input_at
from gdfq_export.lint.rules import Broken
from gdfq_export.qdq.reader.layers import QdqLayer
from gdfq_export.qdq.reader.model import QdqModel
from gdfq_export.qdq.reader.nodes import stored_array
from gdfq_export.support.finding import Consequence


def shared_zero_points(model: QdqModel, layer: QdqLayer) -> Iterator[Broken]:
    """Zero points of channels belong to weights of one rank and axis."""
    shared = None if layer.weight is None else input_at(layer.weight.node, 2)
    numbers = stored_array(shared)
    if layer.weight is None or shared is None or numbers is None or numbers.ndim == 0:
        return
    readers = [user for user, index in shared.uses() if index == 2 and user.op_type == "DequantizeLinear"]
    if any(_form(user) != _form(layer.weight.node) for user in readers):
        message = (
            f"weights of other shapes read its zero points {shared.name} too, and OpenVINO then computes all of them "
            "in float: store a copy for each shape"
        )
        yield "shared zero points", Consequence.FLOAT, message


def _form(dequantize: ir.Node) -> tuple[int | None, int]:
    """Rank and axis of the codes, which are cast where they are stored in fewer bits."""
    codes = input_at(dequantize, 0)
    while codes is not None and (cast := codes.producer()) is not None and cast.op_type == "Cast":
        codes = input_at(cast, 0)
    rank = None if codes is None or codes.shape is None else len(codes.shape)
    axis = dequantize.attributes.get_int("axis", 1)
    return rank, axis if rank is None else axis % rank
