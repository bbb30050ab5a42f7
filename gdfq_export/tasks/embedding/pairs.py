"""Pairs of images that show the same or not, and how well embeddings tell (Huang et al., Labeled Faces in the Wild).

A folder has images and a `pairs.csv` of the columns `first`, `second`, `same` (0 or 1); an .npz the arrays `images`,
`pairs`, positions [P, 2], and `same` [P].
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.errors import DataError
from calib.files.image_folder import column_names
from calib.files.npz_file import npz_keys, read_npz
from calib.files.unlabelled_images import read_images
from calib.input_spec import InputSpec
from gdfq_export.tasks.labelled_images import LabelledImages

_COLUMNS = {"first", "second", "same"}
_FOLDS = 10


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pairs:
    """Positions of two images each, int64 [P, 2], and whether they show the same, bool [P]."""

    images: NDArray[np.int64]
    same: NDArray[np.bool_]


def read_pair_data(path: Path, spec: InputSpec) -> LabelledImages:
    """Read images with pairs; without a pairs.csv or an array `pairs` the images alone.

    Raises:
        DataError: the file cannot be read, or a pair names an image that is not there.
    """
    images, names = read_images(path, spec)
    pairs = _of_archive(path) if path.is_file() else _of_folder(path, names)
    if pairs is not None and (not len(pairs.images) or pairs.images.min() < 0 or pairs.images.max() >= len(images)):
        raise DataError(f"the pairs of {path} are none, or name images beyond {len(images) - 1}: give positions in it")
    return LabelledImages(images=images, truth=pairs, source=str(path))


def told_apart(similarity: NDArray[np.float64], same: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether each pair is told right by its similarity [P], with the threshold that is best for the other folds."""
    right, fold = np.zeros(len(same), np.bool_), np.arange(len(same)) % min(_FOLDS, max(1, len(same) // 2))
    for number in np.unique(fold):
        held_out = fold == number
        others = ~held_out if (~held_out).any() else held_out
        threshold = _best_threshold(similarity[others], same[others])
        right[held_out] = (similarity[held_out] >= threshold) == same[held_out]
    return right


def _best_threshold(similarity: NDArray[np.float64], same: NDArray[np.bool_]) -> float:
    order = np.argsort(similarity)
    ranked, same = similarity[order], same[order]
    right = same.sum() - np.concatenate([[0], np.cumsum(same)]) + np.concatenate([[0], np.cumsum(~same)])
    edges = np.concatenate([[ranked[0] - 1], (ranked[1:] + ranked[:-1]) / 2, [ranked[-1] + 1]])
    return float(edges[int(right.argmax())])


def _of_archive(path: Path) -> Pairs | None:
    if "pairs" not in npz_keys(path):
        return None
    arrays = read_npz(path, ("pairs", "same"))
    pairs, same = arrays["pairs"], arrays["same"]
    if pairs.dtype.kind not in "iu" or pairs.ndim != 2 or pairs.shape[1] != 2 or same.shape != (len(pairs),):
        found = f"{pairs.dtype} {list(pairs.shape)} and {list(same.shape)}"
        raise DataError(f"`pairs` and `same` in {path} are {found}: give integers [P, 2], and one of 0 and 1 for each")
    return Pairs(images=pairs.astype(np.int64), same=same.astype(np.bool_))


def _of_folder(folder: Path, names: tuple[str, ...]) -> Pairs | None:
    path = folder / "pairs.csv"
    if not path.is_file():
        return None
    positions = {name: position for position, name in enumerate(names)}
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            if not set(reader.fieldnames or ()) >= _COLUMNS:
                raise DataError(f"{path} has the columns {column_names(reader)}: give first,second,same")
            rows = [_row(path, row, positions) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as UTF-8 CSV: give the columns first,second,same") from error
    pairs, same = [pair for pair, _ in rows], [each for _, each in rows]
    return Pairs(images=np.array(pairs, np.int64).reshape(-1, 2), same=np.array(same, np.bool_))


def _row(path: Path, row: Mapping[str, str | None], positions: Mapping[str, int]) -> tuple[tuple[int, int], bool]:
    """The positions of a pair's images, and whether they show the same."""
    names, same = (row["first"] or "", row["second"] or ""), row["same"] or ""
    for name in names:
        if name not in positions:
            raise DataError(f"the image {name[:200]!r} of {path} is not in {path.parent}: put it there")
    if same not in ("0", "1"):
        raise DataError(f"`same` of {names[0][:80]} and {names[1][:80]} in {path} is {same[:80]!r}: give 0 or 1")
    return (positions[names[0]], positions[names[1]]), same == "1"
