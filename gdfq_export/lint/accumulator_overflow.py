"""Sums of products that integer kernels cannot hold, found from the codes: the largest that any input can give."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

from gdfq_export.lint.rules import Broken
from gdfq_export.qdq.reader.layers import QdqLayer
from gdfq_export.qdq.reader.model import QdqModel
from gdfq_export.support.finding import Consequence

_INT16_END, _INT32_END = 2**15 - 1, 2**31 - 1


def saturates(model: QdqModel, layer: QdqLayer) -> Iterator[Broken]:
    """Without VNNI two products are added in 16 bits (`vpmaddubsw`): no two weights may be too large for that."""
    used = None if layer.activation is None else model.codes_used(layer.activation)
    codes = layer.weight_codes(model)
    if used is None or codes is None or codes.shape[1] < 2:
        return
    if layer.activation is not None and layer.activation.dtype is ir.DataType.INT8:
        used = used[0] + 128, used[1] + 128  # the runtime shifts them to uint8
    largest, second = -np.partition(-codes, 1, axis=1)[:, :2].T
    least, next_least = np.partition(codes, 1, axis=1)[:, :2].T
    high, low = largest + np.maximum(second, 0), least + np.minimum(next_least, 0)
    channels = (high * used[1] > _INT16_END) | (low * used[1] < -_INT16_END - 1)
    if channels.any():
        where = f"in {int(channels.sum())} of {channels.size} channels two products of codes up to {used[1]} and "
        message = f"{int(np.abs(codes).max())} exceed 16 bits, where CPUs without VNNI cut them off; "
        yield "weights saturate", Consequence.WRONG, f"{where}{message}use weights of 7 bits"


def overflows(model: QdqModel, layer: QdqLayer) -> Iterator[Broken]:
    """Sums fit into int32, the bias among them."""
    used = None if layer.activation is None else model.codes_used(layer.activation)
    codes = layer.weight_codes(model)
    if used is None or codes is None:
        return
    reach = np.abs(codes).sum(axis=1, dtype=np.int64) * (used[1] - used[0])
    bias = None if layer.bias is None else model.numbers(layer.bias.codes)
    if bias is not None and bias.size in (1, reach.size):
        reach = reach + np.abs(bias.astype(np.int64).reshape(-1))
    if (over := reach > _INT32_END).any():
        where = f"in {int(over.sum())} of {over.size} channels weights and bias may add up to {int(reach.max()):,}"
        yield "sum overflows", Consequence.WRONG, f"{where}, more than int32 holds"
