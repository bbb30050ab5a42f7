"""Normalization: with the statistics of training (BatchNormalization, opset 15) or with those of the input itself."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from gdfq_export.frontend.torch_import.node_reader import Lowering, NodeReader, Op


def batch_normalization(
    x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, *, epsilon: float
) -> Tensor:
    """Return (x - mean) / sqrt(variance + epsilon) * scale + bias per channel of [N, C, ...]."""
    return functional.batch_norm(x, mean, variance, scale, bias, training=False, eps=epsilon)


def layer_normalization(x: Tensor, scale: Tensor, bias: Tensor | None = None, *, axis: int, epsilon: float) -> Tensor:
    """Normalize x over the axes from `axis` on (opset 17)."""
    y = functional.layer_norm(x, x.shape[axis % x.dim() :], None, None, epsilon) * scale
    return y if bias is None else y + bias


def layer_statistics(
    x: Tensor, scale: Tensor, bias: Tensor | None = None, *, axis: int, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalize x as `layer_normalization` does; return mean and 1 / deviation too."""
    axes = tuple(range(axis % x.dim(), x.dim()))
    mean = x.mean(axes, keepdim=True)
    inverse = torch.rsqrt((x - mean).square().mean(axes, keepdim=True) + epsilon)
    return layer_normalization(x, scale, bias, axis=axis, epsilon=epsilon), mean, inverse


def rms_normalization(x: Tensor, scale: Tensor, *, axis: int, epsilon: float) -> Tensor:
    """Divide x by the root of its mean square over the axes from `axis` on (opset 23)."""
    axes = tuple(range(axis % x.dim(), x.dim()))
    return x * torch.rsqrt(x.square().mean(axes, keepdim=True) + epsilon) * scale


def instance_normalization(x: Tensor, scale: Tensor, bias: Tensor, *, epsilon: float) -> Tensor:
    """Normalize every channel of every image of [N, C, ...] (opset 6)."""
    return functional.instance_norm(x, None, None, scale, bias, use_input_stats=True, eps=epsilon)


def group_normalization(x: Tensor, scale: Tensor, bias: Tensor, *, groups: int, epsilon: float) -> Tensor:
    """Normalize groups of channels of every image of [N, C, ...] (opset 21; opset 18 has numbers for groups)."""
    each = x.shape[1] // scale.shape[0]
    weight, offset = (scale, bias) if each == 1 else (scale.repeat_interleave(each), bias.repeat_interleave(each))
    return functional.group_norm(x, groups, weight, offset, epsilon)


def lp_normalization(x: Tensor, *, axis: int, order: int) -> Tensor:
    """Divide x by its norm along `axis`, where that is not 0 (opset 1)."""
    norm = torch.linalg.vector_norm(x, order, dim=axis, keepdim=True)
    return x / torch.where(norm == 0, 1, norm)


def local_response(x: Tensor, *, size: int, alpha: float, beta: float, bias: float) -> Tensor:
    """Divide [N, C, ...] by (bias + alpha / size * sum of squares of `size` channels around)**beta (opset 13)."""
    below, above = (size - 1) // 2, size // 2
    squares = functional.pad(x.square(), (*(0, 0) * (x.dim() - 2), below, above))
    sums = squares.unfold(1, size, 1).sum(-1)
    return x / (bias + alpha / size * sums) ** beta


def mean_variance_normalization(x: Tensor, *, axes: tuple[int, ...]) -> Tensor:
    """Return (x - mean) / (standard deviation + 1e-9) over `axes` (opset 13)."""
    centred = x - x.mean(axes, keepdim=True)
    return centred / (centred.square().mean(axes, keepdim=True).sqrt() + 1e-9)


def _lower_batch_normalization(reader: NodeReader) -> Op:
    if reader.integer("training_mode", 0):
        raise reader.refuse("has training_mode 1", "a model exported for inference (training_mode 0)")
    return reader.op(batch_normalization, 0, 1, 2, 3, 4, epsilon=reader.number("epsilon", 1e-5))


def _lower_layer_normalization(reader: NodeReader) -> Op:
    axis, epsilon = reader.integer("axis", -1), reader.number("epsilon", 1e-5)
    if len(reader.node.outputs) > 1:
        return reader.several(layer_statistics, 0, 1, 2, axis=axis, epsilon=epsilon)
    return reader.op(layer_normalization, 0, 1, 2, axis=axis, epsilon=epsilon)


def _lower_local_response(reader: NodeReader) -> Op:
    return reader.op(
        local_response,
        0,
        size=reader.integer("size", 1),
        alpha=reader.number("alpha", 1e-4),
        beta=reader.number("beta", 0.75),
        bias=reader.number("bias", 1.0),
    )


OPERATORS: dict[str, Lowering] = {
    "BatchNormalization": _lower_batch_normalization,
    "GroupNormalization": lambda reader: reader.op(
        group_normalization,
        0,
        1,
        2,
        groups=reader.integer("num_groups", 1),
        epsilon=reader.number("epsilon", 1e-5),
    ),
    "InstanceNormalization": lambda reader: reader.op(
        instance_normalization, 0, 1, 2, epsilon=reader.number("epsilon", 1e-5)
    ),
    "LayerNormalization": _lower_layer_normalization,
    "LRN": _lower_local_response,
    "LpNormalization": lambda reader: reader.op(
        lp_normalization, 0, axis=reader.integer("axis", -1), order=reader.integer("p", 2)
    ),
    "MeanVarianceNormalization": lambda reader: reader.op(
        mean_variance_normalization, 0, axes=reader.integers("axes", (0, 2, 3))
    ),
    "RMSNormalization": lambda reader: reader.op(
        rms_normalization, 0, 1, axis=reader.integer("axis", -1), epsilon=reader.number("epsilon", 1e-5)
    ),
}
