"""Labelled images from an .npz: `images` and `labels`.

`images` is uint8 [N, H, W, C], pixels that are normalised here, or float32 [N, C, H, W], taken as the network's input
as it is. Of a network of several inputs, each is an array under its own name.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    images = read_inputs(path, input_spec, "labels")
    labels = read_npz(path, ("labels",))["labels"]
    return images, check_labels(labels, len(images), num_classes, str(path))


def read_inputs(path: Path, input_spec: InputSpec, *others: str) -> NDArray[np.float32]:
    """Read the array `images`, or one array for each of several inputs under its name, joined to `[N, F]`.

    `others` are keys that the archive is to have besides.

    Raises:
        DataError: the file cannot be read, lacks an array, or holds no images of the network's shapes.
    """
    specs = input_spec.by_name or {"images": input_spec}
    arrays = read_npz(path, (*specs, *others))
    parts = [normalized_images(arrays[name], spec, path, name) for name, spec in specs.items()]
    return parts[0] if len(parts) == 1 else joined_arrays(parts, str(path))


def joined_arrays(parts: Sequence[NDArray[np.float32]], where: str) -> NDArray[np.float32]:
    """Join arrays `[N, ...]` of several inputs to `[N, F]`.

    Raises:
        DataError: they have different numbers of rows.
    """
    counts = [len(part) for part in parts]
    if min(counts) != max(counts):
        raise DataError(f"the inputs in {where} have {counts} rows: give as many rows for each input")
    return np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)


def normalized_images(
    images: NDArray[Any], input_spec: InputSpec, path: Path, name: str = "images"
) -> NDArray[np.float32]:
    """Give the array `name` of the archive `path` as the network takes it, float32 [N, C, H, W].

    Raises:
        DataError: it holds no images of the network's shape.
    """
    channels, *places = input_spec.shape
    if images.dtype == np.uint8 and images.shape[1:] == (*places, channels) and len(images):
        return input_spec.normalize(images)
    if images.dtype == np.float32:
        check_normalized_images(images, input_spec.shape, str(path), name)
        return images
    raise DataError(
        f"`{name}` in {path} is {images.dtype} {list(images.shape)}: give pixels uint8 "
        f"{['N', *places, channels]} or float32 {['N', channels, *places]}, already normalised".replace("'", "")
    )


def several_inputs_text(path: Path, input_spec: InputSpec) -> str:
    """Why what is at `path` holds no data for a network of several inputs."""
    names = ", ".join(f"`{name}`" for name in input_spec.by_name)
    return f"the network takes several inputs, and {path} holds one: give an .npz file with the arrays {names}"
