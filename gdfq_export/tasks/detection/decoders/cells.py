"""Cells: a detector answers for each cell of grids that are laid over the image, one grid for each stride."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gdfq_export.tasks.detection.decoders.decoder import ImageSize
from gdfq_export.tasks.detection.detections import Array

_STRIDES = (4, 8, 16, 32, 64, 128)


def grid(size: ImageSize, stride: int) -> tuple[int, int]:
    """Rows and columns of cells; a cell that the image covers in part counts."""
    return -(-size[0] // stride), -(-size[1] // stride)


def cell_count(size: ImageSize, strides: Sequence[int]) -> int:
    """Cells of all grids.

    >>> cell_count((640, 640), (8, 16, 32))
    8400
    """
    return sum(int(np.prod(grid(size, stride))) for stride in strides)


def cell_centres(size: ImageSize, stride: int) -> Array:
    """Centres [rows * columns, 2] of the cells as x and y in pixels, row by row."""
    rows, columns = grid(size, stride)
    y, x = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    centres: Array = ((np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5) * stride).astype(np.float32)
    return centres


def stride_of(size: ImageSize, cells: int) -> int | None:
    """The stride of a grid of that many cells, None where no usual stride makes it."""
    return next((stride for stride in _STRIDES if np.prod(grid(size, stride)) == cells), None)


def stride_of_grid(size: ImageSize, shape: tuple[int, int]) -> int | None:
    """The stride of a grid of that many rows and columns, None where no usual stride makes it."""
    return next((stride for stride in _STRIDES if grid(size, stride) == shape), None)


def usual_strides() -> Iterator[tuple[int, ...]]:
    """Strides of two to five grids, each twice the one before, as networks have them."""
    for count in (3, 4, 2, 5):
        for start in range(len(_STRIDES) - count + 1):
            yield _STRIDES[start : start + count]
