"""The chart: as high as it has cells, the same bytes again, its intervals drawn where they are."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from gdfq_export.jobs.compare.cells import Comparison
from gdfq_export.jobs.compare.chart import DPI, LOOKS, ROW, draw_comparison, scale_lost
from gdfq_export.jobs.compare.methods import METHODS
from tests.jobs.compare import compared


def made(*methods: str, lost: int = 3, labelled: bool = True) -> Comparison:
    cells = [compared.cell("w8a8", method, compared.score(lost, 1, labelled=labelled)) for method in methods]
    return compared.comparison(*cells, labelled=labelled)


def pixels(comparison: Comparison) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(draw_comparison(comparison))).convert("RGB"))


def coloured(picture: np.ndarray, method: str) -> np.ndarray:
    """The columns that hold a method's colour."""
    colour = [int(LOOKS[method][0][start : start + 2], 16) for start in (1, 3, 5)]
    return np.flatnonzero((picture == colour).all(axis=2).any(axis=0))


def test_every_method_has_looks_of_its_own() -> None:
    assert LOOKS.keys() == METHODS.keys()
    assert len(set(LOOKS.values())) == len(LOOKS)


def test_a_cell_is_a_line() -> None:
    one, three = pixels(made("ours")), pixels(made("dfq", "gdfq", "ours"))
    assert len(three) - len(one) == pytest.approx(2 * ROW * DPI, abs=1)


def test_the_same_comparison_gives_the_same_bytes() -> None:
    assert draw_comparison(made("ours", "dfq")) == draw_comparison(made("ours", "dfq"))


@pytest.mark.parametrize("labelled", [True, False])
def test_a_wider_interval_is_drawn_wider(labelled: bool) -> None:
    few = compared.comparison(
        compared.cell("w8a8", "dfq", compared.score(30, 10, of=4000, labelled=labelled)),
        compared.cell("w8a8", "ours", compared.score(3, 1, labelled=labelled)),
        labelled=labelled,
    )
    picture = pixels(few)
    assert np.ptp(coloured(picture, "ours")) > 1.5 * np.ptp(coloured(picture, "dfq")) > 10


@pytest.mark.parametrize("lost", [0, 399])
def test_intervals_stay_in_the_axes_and_off_the_figures(lost: int) -> None:
    picture = pixels(made("ours", lost=lost))
    columns = coloured(picture, "ours")
    assert 0.15 * picture.shape[1] < columns.min() and columns.max() < 0.57 * picture.shape[1]


def test_what_did_not_run_says_why() -> None:
    without = compared.comparison(compared.cell("w8a8", "real", None, reason=""))
    with_reason = compared.comparison(compared.cell("w8a8", "real", None, reason="no $real images | were given"))
    assert (pixels(without) != pixels(with_reason)).any()


def test_the_scale_is_linear_to_one_point_and_logarithmic_beyond() -> None:
    axes = Figure().subplots()
    scale_lost(axes, -0.7, 100)
    at = axes.transData.transform([(value, 0) for value in (0, 0.5, 1, 10, 100)])[:, 0]
    assert at[1] - at[0] == pytest.approx(at[2] - at[1])
    assert at[3] - at[2] == pytest.approx(at[4] - at[3])
    marks = [float(text.get_text()) for text in axes.get_xticklabels()]
    assert marks == [-0.5, 0, 0.5, 1, 2, 5, 10, 20, 50, 100]
