"""Any number of images through what takes a piece of them at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.float32]
Tensors = Mapping[str, NDArray[Any]]


def run_in_pieces(compute: Callable[[Images], Tensors], images: Images, size: int, *, whole: bool) -> Tensors:
    """What `compute` gives for pieces of images, by name, one piece behind the other.

    Args:
        compute: takes `[M, ...]`; each of its tensors has M rows, or k M where k rows of each image are in one axis, or
            says nothing of single images.
        images: `[N, ...]`, N >= 1.
        size: images of a piece.
        whole: every piece has that size: the last image is repeated, and its rows are dropped.
    """
    parts = [
        {name: _of_first(count, len(piece), tensor) for name, tensor in compute(piece).items()}
        for piece, count in _pieces(images, size, whole=whole)
    ]
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([np.atleast_1d(part[name]) for part in parts]) for name in parts[0]}


def _pieces(images: Images, size: int, *, whole: bool) -> Iterator[tuple[Images, int]]:
    """Contiguous pieces, each with the number of images that count."""
    for start in range(0, len(images), size):
        piece = np.ascontiguousarray(images[start : start + size], dtype=np.float32)
        count = len(piece)
        if whole and count < size:
            piece = np.concatenate([piece, np.repeat(piece[-1:], size - count, axis=0)])
        yield piece, count


def _of_first(count: int, images: int, tensor: NDArray[Any]) -> NDArray[Any]:
    """What a tensor of `images` holds of the first `count`, if its rows are those of images; else all of it."""
    if count == images or tensor.ndim == 0 or tensor.shape[0] % images:
        return tensor
    return tensor[: tensor.shape[0] // images * count]
