"""ConvTranspose (opset 11 to 22): 1-D to 3-D, grouped, dilated, with any padding, output padding and output shape."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from gdfq_export.frontend.torch_import.node_reader import Lowering, NodeReader, Op
from gdfq_export.frontend.torch_import.operators.padding import Pads, pad_spatial, read_pads

_CONVOLUTIONS = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d, 3: functional.conv_transpose3d}


def conv_transpose(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    pads: Pads,
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    sizes: tuple[tuple[int | None, int], ...] | None,
    groups: int,
) -> Tensor:
    """Convolve [N, C, ...], transposed, with [C, M / groups, ...]; bias [M].

    `pads` are cut off what is computed, unless they follow from `sizes`: size, None if the stride gives it, and output
    padding of each axis.
    """
    rank = len(stride)
    y = _CONVOLUTIONS[rank](x, weight, None, stride, 0, 0, groups, dilation)
    sides = []
    for axis in range(rank):
        if sizes is None and not isinstance(pads, str):
            sides.append((-pads[axis], -pads[rank + axis]))
            continue
        size, more = (None, 0) if sizes is None else sizes[axis]
        wanted = x.shape[2 + axis] * stride[axis] if size is None else size
        total = y.shape[2 + axis] + more - wanted
        begin = total // 2 if pads == "SAME_UPPER" else total - total // 2
        sides.append((-begin, wanted + begin - y.shape[2 + axis]))
    y = pad_spatial(y, sides, 0.0)
    return y if bias is None else y + bias.reshape(-1, *[1] * rank)


def _lower_conv_transpose(reader: NodeReader) -> Op:
    weight = reader.required(1, "a weight")
    if weight.shape is None or len(weight.shape) - 2 not in _CONVOLUTIONS:
        raise reader.refuse(f"has a weight ({weight.name!r}) of shape {weight.shape}", "3 to 5 axes")
    rank = len(weight.shape) - 2
    ones = (1,) * rank
    pads = read_pads(reader, rank)
    more = reader.integers("output_padding", (0,) * rank, rank) or (0,) * rank
    output_shape = reader.integers("output_shape", None)
    sizes = None
    if output_shape is not None or isinstance(pads, str):
        sizes = tuple(zip(output_shape or (None,) * rank, more, strict=True))
    else:
        pads = (*pads[:rank], *(end - each for end, each in zip(pads[rank:], more, strict=True)))
    return reader.op(
        conv_transpose,
        0,
        1,
        2,
        pads=pads,
        stride=reader.integers("strides", ones, rank),
        dilation=reader.integers("dilations", ones, rank),
        sizes=sizes,
        groups=reader.integer("group", 1),
    )


OPERATORS: dict[str, Lowering] = {"ConvTranspose": _lower_conv_transpose}
