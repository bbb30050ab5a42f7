"""Pieces: their size, what is dropped, and what is no row of an image."""

from __future__ import annotations

import numpy as np
import pytest

from gdfq_export.support.fixed_batch.image_pieces import run_in_pieces


@pytest.mark.parametrize(("whole", "sizes"), [(False, [3, 3, 1]), (True, [3, 3, 3])])
def test_every_image_is_computed_once_in_order(whole: bool, sizes: list[int]) -> None:
    images, seen = np.arange(7, dtype=np.float32)[:, None], []

    def compute(piece: np.ndarray) -> dict[str, np.ndarray]:
        seen.append(len(piece))
        return {"rows": piece, "windows": np.repeat(piece, 2, axis=0), "one": piece.sum(), "two": np.zeros(2)}

    found = run_in_pieces(compute, images, 3, whole=whole)
    assert seen == sizes
    assert np.array_equal(found["rows"], images)
    assert np.array_equal(found["windows"], np.repeat(images, 2, axis=0))
    assert found["one"].shape == (3,) and found["two"].shape == (6,)


def test_one_piece_stays_as_it_is() -> None:
    images = np.zeros((2, 1), np.float32)
    assert run_in_pieces(lambda piece: {"one": piece.sum()}, images, 4, whole=False)["one"].shape == ()
