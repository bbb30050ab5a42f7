"""Encodings: scale, zero point and codes of one quantization point, as they are in the file.

float32 throughout, so that the integer simulator, the writer and the runtime start from the same bits. Biases are int32
with scale s_x * s_w (ONNX QLinearConv); where that would overflow, in a channel of almost zero weights, the weight
scale is enlarged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gdfq_export.planning.plan import QuantPoint
from gdfq_export.simulator.quantizer import SMALLEST_SCALE, Quantizer
from gdfq_export.support.quant_params import QuantParams

_BIAS_LIMIT = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """One point's scale (float32, scalar or [channels]), zero point, and codes where the tensor is constant.

    `codes` is int8, uint8 or int32 in the tensor's own shape. Where inputs are in blocks, `scale` has the tensor's
    axes, with the blocks in the place of the inputs.
    """

    scale: NDArray[np.float32]
    zero_point: int = 0
    codes: NDArray[Any] | None = None

    def values(self, axis: int | None) -> NDArray[np.float32]:
        """What DequantizeLinear makes of the codes, where scales lie along `axis`; None: one scale."""
        assert self.codes is not None
        shape = [-1 if each == axis else 1 for each in range(self.codes.ndim)]
        offsets = (self.codes.astype(np.int32) - self.zero_point).astype(np.float32)
        return offsets * (self.scale if axis is None else self.scale.reshape(shape))


def grid_of(point: QuantPoint, encoding: Encoding) -> QuantParams:
    """The grid of an activation or constant."""
    return QuantParams(
        scale=np.float32(encoding.scale),
        zero_point=encoding.zero_point,
        dtype=point.dtype,
        code_range=point.code_range,
    )


def encode_activation(quantizer: Quantizer) -> Encoding:
    """Scale and zero point of a quantizer."""
    return Encoding(scale=_float32(quantizer.scale), zero_point=quantizer.zero_point)


def encode_constant(quantizer: Quantizer, value: Tensor) -> Encoding:
    """A constant operand of Add, Mul or Concat, stored as codes of the activations' type."""
    scale = _float32(quantizer.scale)
    return Encoding(scale=scale, zero_point=quantizer.zero_point, codes=_codes(value, scale, quantizer))


def encode_weight(quantizer: Quantizer, weight: Tensor, activation: Encoding, bias: Tensor | None) -> Encoding:
    """Weights per output channel; scales large enough for the bias to fit into int32, and for its own scale.

    Args:
        quantizer: of the weight.
        weight: [out, ...], or [in, out] as the quantizer's axis says.
        activation: of the layer's input.
        bias: [out].
    """
    scale = np.maximum(_float32(quantizer.scale).reshape(-1), np.float32(SMALLEST_SCALE / activation.scale))
    if bias is not None:
        scale = np.maximum(scale, np.abs(_float32(bias)) / activation.scale / np.float32(_BIAS_LIMIT))
    return Encoding(scale=scale, codes=_codes(weight, scale.reshape(quantizer.scale.shape), quantizer))


def encode_blocks(quantizer: Quantizer, weight: Tensor) -> Encoding:
    """Weights of a matrix with a scale for each output channel and block of inputs."""
    codes = _codes(weight, _float32(quantizer.scale), quantizer)
    return Encoding(scale=_float32(quantizer.block_scale), codes=codes)


def encode_bias(bias: Tensor, activation: Encoding, weight: Encoding) -> Encoding:
    """int32 bias with scale s_x * s_w per channel."""
    scale = activation.scale * weight.scale
    codes = np.rint(_float32(bias).astype(np.float64) / scale.astype(np.float64))
    return Encoding(scale=scale, codes=codes.astype(np.int32))


def _codes(value: Tensor, scale: NDArray[np.float32], quantizer: Quantizer) -> NDArray[Any]:
    """In the type of the point, in the shape of `value`."""
    rounded = np.rint(_float32(value) / scale) + quantizer.zero_point
    return np.asarray(np.clip(rounded, quantizer.code_min, quantizer.code_max), quantizer.point.dtype)


def _float32(tensor: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.detach().to("cpu", torch.float32).numpy()
    return array
