"""Encodings: the frozen numbers of one quantization point, as they stand in the file.

float32 throughout, so that the integer simulator, the writer and the runtime start from the same bits. Biases are int32
with scale s_x * s_w (ONNX QLinearConv); where that would overflow, because a channel is all but dead, its weight scale
grows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gdfq_export.simulator.quantizer import Quantizer

__all__ = ["Encoding", "encode_activation", "encode_bias", "encode_blocks", "encode_constant", "encode_weight"]

_BIAS_LIMIT = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """One point's scale (float32, scalar or [channels]), zero point, and codes where the tensor is constant.

    `codes` is int8, uint8 or int32 in the tensor's own shape. Where inputs are in blocks, `scale` has the tensor's
    axes, with the blocks in the place of the inputs.
    """

    scale: np.ndarray
    zero_point: int = 0
    codes: np.ndarray | None = None


def encode_activation(quantizer: Quantizer) -> Encoding:
    """Scale and zero point of a quantizer."""
    return Encoding(scale=_float32(quantizer.scale), zero_point=int(quantizer.zero_point))


def encode_constant(quantizer: Quantizer, value: Tensor) -> Encoding:
    """A constant operand of Add, Mul or Concat, stored as codes of the activations' type."""
    encoding = encode_activation(quantizer)
    rounded = np.rint(_float32(value) / encoding.scale) + encoding.zero_point
    codes = np.asarray(np.clip(rounded, quantizer.code_min, quantizer.code_max), _dtype(quantizer))
    return Encoding(scale=encoding.scale, zero_point=encoding.zero_point, codes=codes)


def encode_weight(quantizer: Quantizer, weight: Tensor, activation: Encoding, bias: Tensor | None) -> Encoding:
    """Weights per output channel; scales large enough for the bias to fit into int32."""
    axis = quantizer.point.axis
    assert axis is not None
    scale = _float32(quantizer.scale).reshape(-1)
    if bias is not None:
        scale = np.maximum(scale, np.abs(_float32(bias)) / activation.scale / np.float32(_BIAS_LIMIT))
    shape = [-1 if index == axis else 1 for index in range(weight.dim())]
    codes = np.rint(_float32(weight) / scale.reshape(shape))
    codes = np.clip(codes, quantizer.code_min, quantizer.code_max)
    return Encoding(scale=scale, codes=codes.astype(np.int8))


def encode_blocks(quantizer: Quantizer, weight: Tensor) -> Encoding:
    """Weights of a matrix with a scale for each output channel and block of inputs."""
    codes = np.rint(_float32(weight) / _float32(quantizer.scale))
    codes = np.clip(codes, quantizer.code_min, quantizer.code_max)
    return Encoding(scale=_float32(quantizer.block_scale), codes=codes.astype(np.int8))


def encode_bias(bias: Tensor, activation: Encoding, weight: Encoding) -> Encoding:
    """int32 bias with scale s_x * s_w per channel."""
    scale = activation.scale * weight.scale
    codes = np.rint(_float32(bias).astype(np.float64) / scale.astype(np.float64))
    return Encoding(scale=scale, codes=codes.astype(np.int32))


def _float32(tensor: Tensor) -> np.ndarray:
    return tensor.detach().to("cpu", torch.float32).numpy()


def _dtype(quantizer: Quantizer) -> type[np.integer]:
    return np.int8 if quantizer.point.signed else np.uint8
