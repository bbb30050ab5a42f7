from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from gdfq_export.runtimes.session import as_taken

IMAGES = np.linspace(-1, 256, 2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)


@pytest.mark.parametrize("shape", [("n", 4, 5, 3), (2, 4, 5, 3), (None, None, None, 3), ("n", "h", "w", 3)])
def test_channels_go_last_where_the_file_has_them_last(shape: Sequence[int | str | None]) -> None:
    np.testing.assert_array_equal(as_taken(IMAGES, shape, pixels=False), IMAGES.transpose(0, 2, 3, 1))


@pytest.mark.parametrize("shape", [("n", 3, 4, 5), ("n", 3, "h", "w"), (-1, -1, -1, -1), ("n", 7, 7, 7)])
def test_other_images_stay(shape: Sequence[int | str | None]) -> None:
    assert as_taken(IMAGES, shape, pixels=False) is IMAGES


def test_pixels_are_rounded_and_clipped() -> None:
    found = as_taken(np.array([[-3.0, 0.5, 1.5, 254.6, 300.0]], np.float32), ("n", 5), pixels=True)
    assert found.dtype == np.uint8 and found.tolist() == [[0, 0, 2, 255, 255]]
