"""What sessions of every runtime share: images go through in pieces, and errors say which file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gdfq_export.backends.base import Images
from gdfq_export.errors import InputError

__all__ = ["first_line", "pieces", "where"]


def pieces(images: Images, batch: int, *, padded: bool, source: Path | bytes) -> Iterator[tuple[Images, int]]:
    """Pieces of at most `batch` images, contiguous, each with the number of images that count.

    Args:
        images: `[N, C, H, W]`.
        batch: largest piece.
        padded: the last piece is filled up by repeating its last image, for files with a fixed batch.
        source: the file they are for.

    Raises:
        InputError: there are no images.
    """
    if len(images) == 0:
        raise InputError(f"{where(source)} was given no images; give at least one")
    for start in range(0, len(images), batch):
        part = np.ascontiguousarray(images[start : start + batch], dtype=np.float32)
        count = len(part)
        if padded and count < batch:
            part = np.concatenate([part, np.repeat(part[-1:], batch - count, axis=0)])
        yield part, count


def where(model: Path | bytes) -> str:
    """The file, in words."""
    return "the model in memory" if isinstance(model, bytes) else str(model)


def first_line(error: Exception) -> str:
    """What a runtime says, without its stack."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
