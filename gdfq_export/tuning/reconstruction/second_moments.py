"""Second moments of a layer's inputs and outputs: all the data that regression and rounding need.

A convolution multiplies patches of its input; with the patches as rows x [K] and what the layer should give as y [out]
the squared error of any weights W [out, K] is, up to a constant, tr(W H W^T) - 2 tr(W C) with H = E[x x^T] and
C = E[x y^T], one pair for every group. Where the bias absorbs a constant, both are about the mean.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from calib.device.transfer import send
from calib.parallel.processes import ALONE, Processes
from gdfq_export.frontend.torch_import.operators.padding import Pads, spatial_pads

_MOST_ROWS = 2**16
_MOST_NUMBERS = 2**26
_MOST_OF_AN_IMAGE = 256  # patches; more of one image say little more

_POWER_OF_ZEROS = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerMoments:
    """Moments of one layer, float64, K = input channels of a group * kernel area.

    Attributes:
        inputs: [groups, K, K], of the inputs with themselves.
        products: [groups, K, out / groups], of the inputs with the wanted outputs, where those were given.
    """

    inputs: Tensor
    products: Tensor | None = None


def not_zero(power: Tensor) -> Tensor:
    """Mean squares of inputs; 1e-12 for inputs that are all 0, so that a share of it makes a matrix invertible."""
    return torch.where(power > torch.finfo(torch.float32).tiny, power, _POWER_OF_ZEROS)


def observe_layer(
    x: Tensor,
    wanted: Tensor | None,
    weight: Tensor,
    attributes: Mapping[str, object],
    random: torch.Generator,
    *,
    centred: bool,
    processes: Processes = ALONE,
) -> LayerMoments:
    """Moments of a layer's inputs and wanted outputs.

    Args:
        x: the layer's input, [N, C, H, W] or [N, C]; convolutions of one and three dimensions too.
        wanted: what it should give, [N, out, H', W'] or [N, out]; None: no moments of outputs are needed.
        weight: its weight, [out, C / groups, kh, kw] or [out, C].
        attributes: keyword arguments of the importer's convolution; none for a Gemm.
        random: chooses the patches, where there are more than are needed.
        centred: about the mean.
        processes: that have all of `x` and `wanted`, and share the multiplications.
    """
    if x.dim() == 2:
        rows = x[None].to(torch.float64, copy=True)
        outputs = None if wanted is None else wanted[None].to(torch.float64, copy=True)
    else:
        rows, outputs = _patches(x, wanted, weight, random, **attributes)  # type: ignore[arg-type]
    if centred:
        for values in (rows,) if outputs is None else (rows, outputs):
            values.sub_(values.mean(dim=1, keepdim=True))
    count, across = rows.shape[1], rows.transpose(1, 2)
    products = None if outputs is None else processes.product(across, outputs) / count
    return LayerMoments(inputs=processes.product(across, rows) / count, products=products)


def mean_moments(parts: Sequence[LayerMoments], weights: Sequence[float]) -> LayerMoments:
    """Moments of several sets of inputs together, of wanted outputs too; `weights` are their shares."""
    inputs = sum(share * part.inputs for part, share in zip(parts, weights, strict=True))
    products = sum(
        share * part.products for part, share in zip(parts, weights, strict=True) if part.products is not None
    )
    assert isinstance(inputs, Tensor) and isinstance(products, Tensor)
    return LayerMoments(inputs=inputs, products=products)


def _patches(
    x: Tensor,
    wanted: Tensor | None,
    weight: Tensor,
    random: torch.Generator,
    *,
    pads: Pads,
    stride: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> tuple[Tensor, Tensor | None]:
    """Patches [groups, count, K] and outputs [groups, count, out / groups] at the same places, a random choice."""
    kernel = weight.shape[2:]
    sides = [side for pair in reversed(spatial_pads(pads, x.shape[2:], kernel, stride, dilation)) for side in pair]
    most = min(_MOST_ROWS, _MOST_NUMBERS // weight[0].numel())
    keep = max(1, min(most // len(x), _MOST_OF_AN_IMAGE))
    chosen, outputs = _Columns(groups, len(x)), _Columns(groups, len(x))
    for number, image in enumerate(x):
        windows = _windows(functional.pad(image, sides), kernel, dilation, stride)
        sizes = windows.shape[1 : 1 + len(kernel)]
        places = torch.arange(math.prod(sizes), device=x.device)
        if len(places) > keep:
            places = send(torch.randint(len(places), (keep,), generator=random), x.device)
        at: tuple[Any, ...] = (slice(None), *torch.unravel_index(places, sizes))
        found = windows[at]
        chosen.add(found.movedim(1, -1).flatten(0, -2))
        if wanted is not None:
            outputs.add(wanted[number].flatten(1)[:, places])
    return chosen.rows, None if wanted is None else outputs.rows


class _Columns:
    """Columns of several images side by side, in float64."""

    def __init__(self, groups: int, images: int) -> None:
        self._groups, self._images, self._filled = groups, images, 0
        self._values = torch.empty(0)

    def add(self, columns: Tensor) -> None:
        """Append those of an image, [groups * K, places]."""
        size, places = columns.shape
        if not self._filled:
            shape = (self._groups, size // self._groups, places * self._images)
            self._values = torch.empty(shape, dtype=torch.float64, device=columns.device)
        self._values[:, :, self._filled : self._filled + places] = columns.reshape(self._groups, -1, places)
        self._filled += places

    @property
    def rows(self) -> Tensor:
        """The columns as rows, [groups, places of all images, K]."""
        return self._values.transpose(1, 2)


def _windows(image: Tensor, kernel: Sequence[int], dilation: Sequence[int], stride: Sequence[int]) -> Tensor:
    """What each place of [C, ...] reads, [C, *places, *kernel], as a view."""
    windows = image
    for axis, (size, apart, step) in enumerate(zip(kernel, dilation, stride, strict=True), start=1):
        windows = windows.unfold(axis, (size - 1) * apart + 1, step)[..., ::apart]
    return windows
