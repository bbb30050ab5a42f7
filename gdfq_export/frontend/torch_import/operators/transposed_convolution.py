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
    output_shape: tuple[int, ...] | None,
    groups: int,
) -> Tensor:
    """Convolve [N, C, ...], transposed, with [C, M / groups, ...]; bias [M]. `pads` are cut off what is computed."""
    rank = len(stride)
    y = _CONVOLUTIONS[rank](x, weight, None, stride, 0, 0, groups, dilation)
    sides = []
    for axis in range(rank):
        if output_shape is None and not isinstance(pads, str):
            sides.append((-pads[axis], -pads[rank + axis]))
            continue
        wanted = x.shape[2 + axis] * stride[axis] if output_shape is None else output_shape[axis]
        total = y.shape[2 + axis] - wanted
        begin = total // 2 if pads == "SAME_UPPER" else total - total // 2
        sides.append((-begin, begin - total))
    y = pad_spatial(y, sides, 0.0)
    return y if bias is None else y + bias.reshape(-1, *[1] * rank)


def _lower_conv_transpose(reader: NodeReader) -> Op:
    weight = reader.required(1, "a weight")
    if weight.shape is None or len(weight.shape) - 2 not in _CONVOLUTIONS:
        raise reader.refuse(f"has a weight ({weight.name!r}) of shape {weight.shape}", "3 to 5 axes")
    rank = len(weight.shape) - 2
    ones = (1,) * rank
    pads, output_shape = read_pads(reader, rank), reader.integers("output_shape", None)
    more = reader.integers("output_padding", (0,) * rank, rank) or (0,) * rank
    if any(more):
        if isinstance(pads, str) or output_shape is not None:
            raise reader.refuse("has output_padding and a size", "output_padding with pads")
        pads = (*pads[:rank], *(end - each for end, each in zip(pads[rank:], more, strict=True)))
    return reader.op(
        conv_transpose,
        0,
        1,
        2,
        pads=pads,
        stride=reader.integers("strides", ones, rank),
        dilation=reader.integers("dilations", ones, rank),
        output_shape=output_shape,
        groups=reader.integer("group", 1),
    )


OPERATORS: dict[str, Lowering] = {"ConvTranspose": _lower_conv_transpose}
