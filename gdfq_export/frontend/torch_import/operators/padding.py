"""Spatial padding of Conv and pooling: what ONNX `pads`, `auto_pad` and `ceil_mode` come to for an input size."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional

from gdfq_export.frontend.torch_import.node_reader import NodeReader

#: Begins and then ends of every spatial axis, or the auto_pad rule that gives them when the input size is known.
Pads = tuple[int, ...] | str


def read_pads(reader: NodeReader, rank: int) -> Pads:
    """Return the pads of a node with `rank` spatial axes."""
    auto_pad = reader.text("auto_pad", "NOTSET", ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"))
    if auto_pad.startswith("SAME"):
        return auto_pad
    none = (0,) * (2 * rank)
    return none if auto_pad == "VALID" else reader.integers("pads", none, 2 * rank) or none


def spatial_pads(
    pads: Pads, sizes: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> list[tuple[int, int]]:
    """Return (begin, end) per spatial axis, resolving `auto_pad` for an input of `sizes`."""
    if not isinstance(pads, str):
        rank = len(sizes)
        return list(zip(pads[:rank], pads[rank:], strict=True))
    resolved = []
    for size, k, s, d in zip(sizes, kernel, stride, dilation, strict=True):
        total = max(0, ((size + s - 1) // s - 1) * s + (k - 1) * d + 1 - size)
        less, more = total // 2, total - total // 2
        resolved.append((less, more) if pads == "SAME_UPPER" else (more, less))
    return resolved


def output_size(size: int, pad: tuple[int, int], kernel: int, stride: int, dilation: int, ceil_mode: bool) -> int:
    """Return how many windows a pooling axis has.

    With `ceil_mode` a last, incomplete window counts if it starts inside the input or its begin padding.
    """
    free = size + sum(pad) - (kernel - 1) * dilation - 1
    if not ceil_mode:
        return free // stride + 1
    windows = -(-free // stride) + 1
    return windows - 1 if (windows - 1) * stride >= size + pad[0] else windows


def same_on_both_sides(pads: Sequence[tuple[int, int]]) -> bool:
    """Tell whether every axis has the same padding at begin and end, as torch's own padding argument needs."""
    return all(begin == end >= 0 for begin, end in pads)


def pad_spatial(x: Tensor, pads: Sequence[tuple[int, int]], value: float) -> Tensor:
    """Pad the spatial axes of [N, C, ...]; a negative number crops."""
    if not any(begin or end for begin, end in pads):
        return x
    return functional.pad(x, [side for pair in reversed(pads) for side in pair], value=value)
