from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from gdfq_export.errors import InputError
from gdfq_export.runtimes.base import Array, ExecutedGraph, Images
from gdfq_export.runtimes.session import Session, as_taken

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


class Counting(Session):
    """Gives the mean of each image, and keeps how many came at a time."""

    def __init__(self, batch: int, *, fixed: bool) -> None:
        super().__init__(b"", ["y"], batch, fixed=fixed)
        self.seen: list[int] = []

    def describe(self) -> ExecutedGraph:
        raise NotImplementedError

    def _execute(self, images: Images, names: Sequence[str]) -> Sequence[Array]:
        self.seen.append(len(images))
        return [images.reshape(len(images), -1).mean(axis=1) for _ in names]


@pytest.mark.parametrize(
    ("side", "fixed", "seen"), [(8, False, [4, 1]), (700, False, [1] * 5), (700, True, [4, 4]), (300, False, [2, 2, 1])]
)
def test_large_images_are_run_few_at_a_time(side: int, fixed: bool, seen: list[int]) -> None:
    session, images = Counting(4, fixed=fixed), np.zeros((5, 3, side, side), np.float32)
    assert session.run(images).shape == (5,)
    assert session.seen == seen


def test_a_fixed_batch_of_many_gigabytes_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"takes batches of 2,147,483,647 with the shape \[3, 4, 5\], which are 480 GiB"
    ):
        Counting(2**31 - 1, fixed=True).run(IMAGES)


def test_a_file_that_takes_any_number_is_given_those_that_there_are() -> None:
    session = Counting(2**31 - 1, fixed=False)
    session.timer(IMAGES)()
    assert session.seen == [2]


def test_a_batch_is_timed_as_it_is() -> None:
    session = Counting(4, fixed=False)
    session.timer(np.zeros((4, 3, 700, 700), np.float32))()
    assert session.seen == [4]
