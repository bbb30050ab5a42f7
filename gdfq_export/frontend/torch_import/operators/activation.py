"""Activation functions, with ONNX's defaults for their parameters (opset of each in `OPERATORS`)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from gdfq_export.frontend.torch_import.node_reader import Lowering, NodeReader, Op


def clip(x: Tensor, *, low: float | None, high: float | None) -> Tensor:
    """Return x limited to [low, high]; where low exceeds high, high wins."""
    if not x.is_floating_point():
        low, high = (limit if limit is None else int(limit) for limit in (low, high))
    elif low is not None and high is not None and low < high:
        return functional.hardtanh(x, low, high)  # the same numbers; its gradient takes a quarter of clamp's time
    return x if low is None and high is None else torch.clamp(x, low, high)


def clip_to(x: Tensor, low: Tensor | None, high: Tensor | None) -> Tensor:
    """Return x limited to [low, high], one of which the graph computes."""
    return torch.clamp(x, low, high)


def prelu(x: Tensor, slope: Tensor) -> Tensor:
    """Return x where positive, slope * x elsewhere; the slope broadcasts to x from the right."""
    return torch.where(x > 0, x, slope * x)


def hard_sigmoid(x: Tensor, *, alpha: float, beta: float) -> Tensor:
    """Return alpha * x + beta limited to [0, 1]."""
    return torch.clamp(alpha * x + beta, 0.0, 1.0)


def shrink(x: Tensor, *, bias: float, threshold: float) -> Tensor:
    """Return x moved by `bias` toward 0 where it is outside of [-threshold, threshold], and 0 inside."""
    return torch.where(x < -threshold, x + bias, torch.where(x > threshold, x - bias, torch.zeros_like(x)))


def celu(x: Tensor, *, alpha: float) -> Tensor:
    """Return max(0, x) + min(0, alpha * (exp(x / alpha) - 1))."""
    return torch.clamp(x, min=0) + torch.clamp(alpha * torch.expm1(x / alpha), max=0)


def selu(x: Tensor, *, alpha: float, gamma: float) -> Tensor:
    """Return gamma * x where positive, gamma * alpha * (exp(x) - 1) elsewhere."""
    return gamma * functional.elu(x, alpha)


def thresholded_relu(x: Tensor, *, alpha: float) -> Tensor:
    """Return x above `alpha`, 0 elsewhere."""
    return torch.where(x > alpha, x, torch.zeros_like(x))


def _lower_clip(reader: NodeReader) -> Op:
    if any(reader.value(index) is not None and not reader.is_constant(index) for index in (1, 2)):
        return reader.op(clip_to, 0, 1, 2)
    return reader.op(
        clip, 0, low=reader.constant_number(1, "lower limit"), high=reader.constant_number(2, "upper limit")
    )


def _lower_hard_sigmoid(reader: NodeReader) -> Op:
    return reader.op(hard_sigmoid, 0, alpha=reader.number("alpha", 0.2), beta=reader.number("beta", 0.5))


def _lower_gelu(reader: NodeReader) -> Op:
    return reader.op(functional.gelu, 0, approximate=reader.text("approximate", "none", ("none", "tanh")))


def _lower_selu(reader: NodeReader) -> Op:
    alpha, gamma = reader.number("alpha", 1.6732632423543772), reader.number("gamma", 1.0507009873554805)
    return reader.op(selu, 0, alpha=alpha, gamma=gamma)


def _lower_shrink(reader: NodeReader) -> Op:
    return reader.op(shrink, 0, bias=reader.number("bias", 0.0), threshold=reader.number("lambd", 0.5))


OPERATORS: dict[str, Lowering] = {
    "Celu": lambda reader: reader.op(celu, 0, alpha=reader.number("alpha", 1.0)),  # 12
    "Clip": _lower_clip,  # 13
    "Elu": lambda reader: reader.op(functional.elu, 0, alpha=reader.number("alpha", 1.0)),  # 6
    "Gelu": _lower_gelu,  # 20
    "HardSigmoid": _lower_hard_sigmoid,  # 6
    "HardSwish": lambda reader: reader.op(functional.hardswish, 0),  # 14
    "LeakyRelu": lambda reader: reader.op(functional.leaky_relu, 0, negative_slope=reader.number("alpha", 0.01)),  # 16
    "LogSoftmax": lambda reader: reader.op(torch.log_softmax, 0, dim=reader.integer("axis", -1)),  # 13
    "Mish": lambda reader: reader.op(functional.mish, 0),  # 18
    "PRelu": lambda reader: reader.op(prelu, 0, 1),  # 16
    "Relu": lambda reader: reader.op(torch.relu, 0),  # 14
    "Selu": _lower_selu,  # 6
    "Shrink": _lower_shrink,  # 9
    "Sigmoid": lambda reader: reader.op(torch.sigmoid, 0),  # 13
    "Softmax": lambda reader: reader.op(torch.softmax, 0, dim=reader.integer("axis", -1)),  # 13
    "Softplus": lambda reader: reader.op(functional.softplus, 0),  # 1
    "Softsign": lambda reader: reader.op(functional.softsign, 0),  # 1
    "Tanh": lambda reader: reader.op(torch.tanh, 0),  # 13
    "ThresholdedRelu": lambda reader: reader.op(thresholded_relu, 0, alpha=reader.number("alpha", 1.0)),  # 10
}
