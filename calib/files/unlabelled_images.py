"""Images without labels: `images` of an .npz, or the image files of a folder in the order of their names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.errors import DataError
from calib.files.image_folder import read_pixels
from calib.files.npz_images import read_inputs, several_inputs_text
from calib.input_spec import InputSpec

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")


def read_images(path: Path, input_spec: InputSpec) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Read normalised images float32 [N, C, H, W] and their names, file names or positions in the .npz.

    A folder holds its images in itself or in a folder `images`.

    Raises:
        DataError: the file cannot be read, there are no images, or they are not of the network's shape.
    """
    if not path.is_dir():
        images = read_inputs(path, input_spec)
        return images, tuple(map(str, range(len(images))))
    if input_spec.by_name:
        raise DataError(several_inputs_text(path, input_spec))
    folder = path / "images" if (path / "images").is_dir() else path
    names = tuple(sorted(file.name for file in folder.iterdir() if file.suffix.lower() in SUFFIXES))
    if not names:
        raise DataError(f"{folder} holds no images: give a folder of {', '.join(SUFFIXES)} files, or an .npz file")
    pixels = np.stack([read_pixels(folder, name, input_spec.shape) for name in names])
    return input_spec.normalize(pixels), names
