"""Checks that arrays from a file are images and labels of one network; each refusal is a DataError of one sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calib.errors import DataError


def check_normalized_images(
    images: NDArray[Any], shape: tuple[int, ...] | None, where: str, name: str = "images"
) -> None:
    """Require finite float32 [N, C, H, W], at least one image, or [N, *shape] where the network's shape is given.

    Raises:
        DataError: dtype, shape or a value is not acceptable.
    """
    sizes = ", ".join(map(str, shape or ("C", "H", "W")))
    accepted = f"float32 [N, {sizes}], already normalised"
    fits = images.dtype == np.float32 and images.ndim >= 2 and images.size > 0
    if not fits or (shape is not None and images.shape[1:] != shape):
        raise DataError(f"`{name}` in {where} is {images.dtype} {list(images.shape)}: give {accepted}")
    if not np.isfinite(images).all():
        raise DataError(f"`{name}` in {where} holds NaN or infinite values: give finite {accepted}")


def check_labels(labels: NDArray[Any], count: int, num_classes: int | None, where: str) -> NDArray[np.int64]:
    """Require `count` integers from 0 to num_classes - 1, or from 0 for None, and give them as int64 [count].

    Raises:
        DataError: dtype, number or a value is not acceptable.
    """
    upwards = "upwards" if num_classes is None else f"to {num_classes - 1}"
    accepted = f"{count} integers from 0 {upwards}, one for each image"
    if labels.dtype.kind not in "iu" or labels.shape != (count,):
        raise DataError(f"`labels` in {where} is {labels.dtype} {list(labels.shape)}: give {accepted}")
    outside = labels[(labels < 0) | (num_classes is not None and labels >= num_classes)]
    if len(outside):
        classes = "" if num_classes is None else f", as the network has {num_classes} classes"
        raise DataError(f"`labels` in {where} holds {outside[0]}: give {accepted}{classes}")
    return labels.astype(np.int64)
