"""GridSample (opset 16 and 20) and AffineGrid (opset 20)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from gdfq_export.frontend.torch_import.node_reader import Lowering, NodeReader, Op

_MODES = {
    "bilinear": "bilinear",
    "linear": "bilinear",
    "nearest": "nearest",
    "bicubic": "bicubic",
    "cubic": "bicubic",
}


def grid_sample(x: Tensor, grid: Tensor, *, mode: str, padding: str, align_corners: bool) -> Tensor:
    """Return x [N, C, H, W] at the places [N, H', W', 2] of `grid`, which go from -1 to 1."""
    return functional.grid_sample(x, grid, mode, padding, align_corners)


def affine_grid(theta: Tensor, *, size: tuple[int, ...], align_corners: bool) -> Tensor:
    """Return the places that matrices [N, 2, 3] or [N, 3, 4] map a grid of `size` to."""
    return functional.affine_grid(theta, list(size), align_corners)


def _lower_grid_sample(reader: NodeReader) -> Op:
    mode = _MODES[reader.text("mode", "linear", tuple(_MODES))]
    padding = reader.text("padding_mode", "zeros", ("zeros", "border", "reflection"))
    return reader.op(
        grid_sample, 0, 1, mode=mode, padding=padding, align_corners=bool(reader.integer("align_corners", 0))
    )


def _lower_affine_grid(reader: NodeReader) -> Op:
    reader.required(1, "a size")
    align_corners = bool(reader.integer("align_corners", 0))
    return reader.op(affine_grid, 0, size=reader.constant_ints(1, "size"), align_corners=align_corners)


OPERATORS: dict[str, Lowering] = {"AffineGrid": _lower_affine_grid, "GridSample": _lower_grid_sample}
