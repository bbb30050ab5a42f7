"""Handwritten digits of scikit-learn (UCI optical recognition, 8x8), split into training and held-out images.

The first half in the file's order is for training, the second half is held out. Neighbours in that order come from the
same writers, so that a shuffled split would test on hands it was trained on. The data set's values 0..16
are stretched to pixels 0..255.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gdfq_export.errors import InputError

Digits = tuple[NDArray[np.uint8], NDArray[np.int64]]


def training_digits() -> Digits:
    """The 898 digits the demo network was trained on: images uint8 [898, 8, 8, 1], labels int64 [898].

    Raises:
        InputError: scikit-learn is not installed.
    """
    images, labels = _digits()
    return images[: len(images) // 2], labels[: len(images) // 2]


def held_out_digits() -> Digits:
    """The 899 digits the demo network has never seen: images uint8 [899, 8, 8, 1], labels int64 [899].

    Raises:
        InputError: scikit-learn is not installed.
    """
    images, labels = _digits()
    return images[len(images) // 2 :], labels[len(images) // 2 :]


def _digits() -> Digits:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise InputError(
            "the demo's digits come with scikit-learn, which is not installed; run pip install 'gdfq-export[demo]'"
        ) from error
    digits = load_digits()
    pixels = np.rint(digits.images * (255.0 / 16.0)).astype(np.uint8)
    return pixels[..., np.newaxis], digits.target.astype(np.int64)
