"""Second moments of a layer's inputs and outputs: all the data that regression and rounding need.

A convolution multiplies patches of its input; with the patches as rows x [K] and what the layer should give as y [out]
the squared error of any weights W [out, K] is, up to a constant, tr(W H W^T) - 2 tr(W C) with H = E[x x^T] and
C = E[x y^T], one pair for every group. Where the bias absorbs a constant, both are about the mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from gdfq_export.frontend.torch_import.operators.padding import Pads, spatial_pads

_MOST_ROWS = 2**16
_MOST_NUMBERS = 2**26

_POWER_OF_ZEROS = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerMoments:
    """Moments of one layer, float64, K = input channels of a group * kernel area.

    Attributes:
        inputs: [groups, K, K], of the inputs with themselves.
        products: [groups, K, out / groups], of the inputs with the wanted outputs.
    """

    inputs: Tensor
    products: Tensor


def not_zero(power: Tensor) -> Tensor:
    """Mean squares of inputs; 1e-12 for inputs that are all 0, so that a share of it makes a matrix invertible."""
    return torch.where(power > torch.finfo(torch.float32).tiny, power, _POWER_OF_ZEROS)


def observe_layer(
    x: Tensor,
    wanted: Tensor,
    weight: Tensor,
    attributes: Mapping[str, object],
    random: torch.Generator,
    *,
    centred: bool,
) -> LayerMoments:
    """Moments of a layer's inputs and wanted outputs.

    Args:
        x: the layer's input, [N, C, H, W] or [N, C]; convolutions of one and three dimensions too.
        wanted: what it should give, [N, out, H', W'] or [N, out].
        weight: its weight, [out, C / groups, kh, kw] or [out, C].
        attributes: keyword arguments of the importer's convolution; none for a Gemm.
        random: chooses the patches, where there are more than are needed.
        centred: about the mean.
    """
    if x.dim() == 2:
        rows, outputs = x[None].double(), wanted[None].double()
    else:
        rows, outputs = _patches(x, wanted, weight, random, **attributes)  # type: ignore[arg-type]
    if centred:
        rows, outputs = (values - values.mean(dim=1, keepdim=True) for values in (rows, outputs))
    count = rows.shape[1]
    return LayerMoments(inputs=rows.transpose(1, 2) @ rows / count, products=rows.transpose(1, 2) @ outputs / count)


def _patches(
    x: Tensor,
    wanted: Tensor,
    weight: Tensor,
    random: torch.Generator,
    *,
    pads: Pads,
    stride: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> tuple[Tensor, Tensor]:
    """Patches [groups, count, K] and outputs [groups, count, out / groups] at the same places, a random choice."""
    kernel = weight.shape[2:]
    sides = spatial_pads(pads, x.shape[2:], kernel, stride, dilation)
    padded = functional.pad(x, [side for pair in reversed(sides) for side in pair])
    most = min(_MOST_ROWS, _MOST_NUMBERS // weight[0].numel())
    keep = max(1, most // len(x))
    chosen, outputs = [], []
    for image, target in zip(torch.split(padded, 1), torch.split(wanted.flatten(2), 1), strict=True):
        columns = _columns(image, kernel, dilation, stride)
        if columns.shape[2] > keep:
            places = torch.randint(columns.shape[2], (keep,), generator=random).to(x.device)
            columns, target = columns[:, :, places], target[:, :, places]
        chosen.append(columns[0].reshape(groups, -1, columns.shape[2]))
        outputs.append(target[0].reshape(groups, -1, target.shape[2]))
    return tuple(torch.cat(parts, dim=2).transpose(1, 2).double() for parts in (chosen, outputs))  # type: ignore[return-value]


def _columns(image: Tensor, kernel: Sequence[int], dilation: Sequence[int], stride: Sequence[int]) -> Tensor:
    """What each place of [1, C, ...] reads, [1, C * kernel area, places]."""
    if len(kernel) == 2:  # torch's own, for images only
        return functional.unfold(image, tuple(kernel), dilation=tuple(dilation), stride=tuple(stride))
    windows = image
    for axis, (size, apart, step) in enumerate(zip(kernel, dilation, stride, strict=True), start=2):
        windows = windows.unfold(axis, (size - 1) * apart + 1, step)[..., ::apart]
    places, cells = range(2, 2 + len(kernel)), range(2 + len(kernel), 2 + 2 * len(kernel))
    return windows.permute(0, 1, *cells, *places).flatten(2 + len(kernel)).flatten(1, 1 + len(kernel))
