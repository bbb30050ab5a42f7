"""Conv (opset 11 to 22): 1-D to 3-D, grouped, depthwise, dilated, with any padding."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from gdfq_export.frontend.torch_import.node_reader import Lowering, NodeReader, Op
from gdfq_export.frontend.torch_import.operators.padding import (
    Pads,
    pad_spatial,
    read_pads,
    same_on_both_sides,
    spatial_pads,
)

_CONVOLUTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}


def conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    pads: Pads,
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
) -> Tensor:
    """Convolve [N, C, H, W] with [M, C / groups, kH, kW]; bias [M]."""
    sides = spatial_pads(pads, x.shape[2:], weight.shape[2:], stride, dilation)
    convolution = _CONVOLUTIONS[len(stride)]
    if same_on_both_sides(sides):
        return convolution(x, weight, bias, stride, tuple(begin for begin, _ in sides), dilation, groups)
    return convolution(pad_spatial(x, sides, 0.0), weight, bias, stride, 0, dilation, groups)


def _lower_conv(reader: NodeReader) -> Op:
    weight = reader.required(1, "a weight")
    if weight.shape is None:
        raise reader.refuse(f"has a weight ({weight.name!r}) of unknown shape", "a weight of known shape")
    rank = len(weight.shape) - 2
    if rank not in _CONVOLUTIONS:
        raise reader.refuse(f"has a weight with {rank + 2} axes", "3 to 5 axes (one to three of them spatial)")
    ones = (1,) * rank
    return reader.op(
        conv,
        0,
        1,
        2,
        pads=read_pads(reader, rank),
        stride=reader.integers("strides", ones, rank),
        dilation=reader.integers("dilations", ones, rank),
        groups=reader.integer("group", 1),
    )


OPERATORS: dict[str, Lowering] = {"Conv": _lower_conv}
