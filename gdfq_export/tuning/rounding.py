"""Rounding that looks at the inputs: each weight's rounding error is compensated by the weights not yet rounded.

The error of a layer's output is quadratic in the error of its weights, with the second moments of the layer's inputs as
its matrix. Going through the inputs one by one, the error that rounding one weight makes is spread over the rest so
that the output changes least: Optimal Brain Quantization (Frantar et al., arXiv 2208.11580) in the column order of GPTQ
(Frantar et al., arXiv 2210.17323, algorithm 1), here on convolutions through their patches, group by group.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from gdfq_export.importer.operators.padding import Pads, spatial_pads
from gdfq_export.simulator import Quantizer

__all__ = ["input_moments", "round_weights"]

_DAMPING = 0.01
_PATCHES = 2**15


def input_moments(x: Tensor, weight: Tensor, attributes: dict[str, object], random: torch.Generator) -> Tensor:
    """Second moments of what one output of a layer sees: [groups, K, K], K = input channels of a group * kernel area.

    Args:
        x: the layer's input, [N, C, H, W] or [N, C].
        weight: its weight, [out, C / groups, kh, kw] or [out, C]; a Gemm's has been transposed to that.
        attributes: keyword arguments of the importer's convolution; none for a Gemm.
        random: chooses the patches, where there are more than are needed.
    """
    rows = x[None] if x.dim() == 2 else _patches(x, weight, random, **attributes)  # type: ignore[arg-type]
    return rows.transpose(1, 2).double() @ rows.double() / rows.shape[1]


def _patches(
    x: Tensor,
    weight: Tensor,
    random: torch.Generator,
    *,
    pads: Pads,
    stride: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    """Patches [groups, count, K] that the convolution multiplies, a random choice of them."""
    kernel = weight.shape[2:]
    sides = spatial_pads(pads, x.shape[2:], kernel, stride, dilation)
    padded = functional.pad(x, [side for pair in reversed(sides) for side in pair])
    keep = max(1, _PATCHES // len(x))
    chosen = []
    for image in padded.split(1):
        columns = functional.unfold(image, kernel, dilation=tuple(dilation), stride=tuple(stride))
        if columns.shape[2] > keep:
            columns = columns[:, :, torch.randint(columns.shape[2], (keep,), generator=random)]
        chosen.append(columns[0].reshape(groups, -1, columns.shape[2]))
    return torch.cat(chosen, dim=2).transpose(1, 2)


def round_weights(weight: Tensor, moments: Tensor, quantizer: Quantizer) -> Tensor:
    """The weight on the quantizer's grid, rounding errors compensated; same shape.

    Args:
        weight: [out, ...], output channels first; the quantizer's channel axis is 0.
        moments: [groups, K, K] from `input_moments`.
        quantizer: gives scales and code range.
    """
    groups, size = moments.shape[:2]
    rest = weight.reshape(groups, -1, size).double()
    scale = quantizer.scale.detach().reshape(groups, -1, 1).double()
    order = torch.argsort(torch.diagonal(moments, dim1=1, dim2=2).mean(dim=0), descending=True)
    rest, moments = rest[:, :, order].clone(), moments[:, order][:, :, order]
    diagonal = torch.diagonal(moments, dim1=1, dim2=2)
    damping = _DAMPING * diagonal.mean(dim=1, keepdim=True).clamp_min(1e-12)
    factor = torch.linalg.cholesky(
        torch.cholesky_inverse(torch.linalg.cholesky(moments + torch.diag_embed(damping.expand_as(diagonal)))),
        upper=True,
    )
    rounded = torch.empty_like(rest)
    for column in range(size):
        current = rest[:, :, column : column + 1]
        codes = torch.clamp(torch.round(current / scale), quantizer.code_min, quantizer.code_max)
        rounded[:, :, column : column + 1] = codes * scale
        error = (current - codes * scale) / factor[:, column, column][:, None, None]
        rest[:, :, column + 1 :] -= error * factor[:, column : column + 1, column + 1 :]
    return rounded[:, :, torch.argsort(order)].reshape(weight.shape).to(weight.dtype)
