"""Images with masks: `images` and `masks` of an .npz, or a folder with `images/NAME.jpg` and `masks/NAME.png`.

A pixel of a mask is the number of its class, 255 does not count. For a network of one class any value but 0 is it.
Masks are as large as their images, and cropped with them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from calib.errors import DataError
from calib.files.image_folder import centre, read_picture
from calib.files.npz_file import npz_keys, read_npz
from calib.files.unlabelled_images import read_images
from calib.input_spec import InputSpec
from gdfq_export.tasks.labelled_images import LabelledImages
from gdfq_export.tasks.segmentation.mask_iou import IGNORED, Masks

_NO_CLASS = 255


def read_mask_data(path: Path, spec: InputSpec, *, binary: bool) -> LabelledImages:
    """Read images with their masks int64 [N, H, W]; without a folder or array `masks` the images alone.

    Raises:
        DataError: an image has no mask, or masks and images are of unlike sizes.
    """
    images, names = read_images(path, spec)
    found = _of_archive(path) if path.is_file() else _of_folder(path, names, spec)
    if found is None:
        return LabelledImages(images=images, truth=None, source=str(path))
    wanted = (len(images), *spec.image_shape[1:])
    if found.shape != wanted:
        raise DataError(f"`masks` in {path} is {list(found.shape)}: give one class a pixel, {list(wanted)}")
    truth = (found > 0).astype(np.int64) if binary else np.where(found == _NO_CLASS, IGNORED, found)
    return LabelledImages(images=images, truth=truth, source=str(path))


def _of_archive(path: Path) -> Masks | None:
    if "masks" not in npz_keys(path):
        return None
    masks = read_npz(path, ("masks",))["masks"]
    if masks.dtype.kind not in "iub":
        raise DataError(f"`masks` in {path} is {masks.dtype}: give integers, the class of each pixel")
    return masks.astype(np.int64)


def _of_folder(folder: Path, names: tuple[str, ...], spec: InputSpec) -> Masks | None:
    masks = folder / "masks"
    if not masks.is_dir():
        return None
    files = [masks / f"{Path(name).stem}.png" for name in names]
    if missing := next((file for file in files if not file.is_file()), None):
        raise DataError(f"no mask at {missing}: give one PNG for each image, of the same name")
    return np.stack([centre(read_picture(file, None), spec.shape[1:], file)[..., 0] for file in files]).astype(np.int64)
