"""Labelled images from an .npz: `images` and `labels`.

`images` is uint8 [N, H, W, C], pixels that are normalised here, or float32 [N, C, H, W], taken as the network's input
as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calib.errors import DataError
from calib.files.checks import check_labels, check_normalized_images
from calib.files.npz_file import read_npz
from calib.input_spec import InputSpec


def read_npz_images(
    path: Path, input_spec: InputSpec, num_classes: int | None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Read normalised images float32 [N, C, H, W] and labels int64 [N].

    Raises:
        DataError: the file cannot be read, or its arrays are not labelled images of the network's shape.
    """
    arrays = read_npz(path, ("images", "labels"))
    images = normalized_images(arrays["images"], input_spec, path)
    return images, check_labels(arrays["labels"], len(images), num_classes, str(path))


def normalized_images(images: NDArray[Any], input_spec: InputSpec, path: Path) -> NDArray[np.float32]:
    """Give the array `images` of the archive `path` as the network takes it, float32 [N, C, H, W].

    Raises:
        DataError: it holds no images of the network's shape.
    """
    channels, *places = input_spec.shape
    if images.dtype == np.uint8 and images.shape[1:] == (*places, channels) and len(images):
        return input_spec.normalize(images)
    if images.dtype == np.float32:
        check_normalized_images(images, input_spec.shape, str(path))
        return images
    raise DataError(
        f"`images` in {path} is {images.dtype} {list(images.shape)}: give pixels uint8 "
        f"{['N', *places, channels]} or float32 {['N', channels, *places]}, already normalised".replace("'", "")
    )
