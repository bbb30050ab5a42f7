"""A comparison as data: what is lost, in which order, and which cells of an earlier run stay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdfq_export.jobs.compare.cells import Cell, kept_cells
from tests.jobs.compare import compared

OURS = ("w4a4", "ours")


@given(lost=st.integers(0, 200), won=st.integers(0, 200), labelled=st.booleans())
def test_what_is_lost_lies_in_its_interval(lost: int, won: int, labelled: bool) -> None:
    value, low, high = compared.score(lost, won, labelled=labelled).lost_pp
    slack = 0.5 if labelled else 1e-9  # the paired interval is centred on adjusted counts
    assert low - slack <= value <= high + slack
    assert value == pytest.approx((lost - won) / 4 if labelled else (lost + won) / 4)


def test_a_cell_takes_the_place_of_its_like_and_stands_in_order() -> None:
    old = compared.comparison(
        compared.cell("w8a8", "real", None, reason="none"), compared.cell("w4a4", "noise", compared.score(9, 0))
    )
    new = old.with_cell(compared.cell("w8a8", "real", compared.score(1, 0)))
    new = new.with_cell(compared.cell("w8a8", "dfq", compared.score(2, 0)))
    assert [(cell.bits, cell.method) for cell in new.cells] == [("w8a8", "dfq"), ("w8a8", "real"), ("w4a4", "noise")]
    assert all(cell.measured is not None for cell in new.cells)


def kept(earlier: Cell, *asked: Cell) -> bool:
    found = kept_cells(compared.comparison(earlier), {(cell.bits, cell.method): cell for cell in asked})
    return bool(found)


def test_a_cell_of_the_same_identity_is_kept() -> None:
    assert kept(compared.cell(*OURS, compared.score(1, 0)), compared.cell(*OURS, None))
    assert not kept(compared.cell(*OURS, None, reason="diverged"), compared.cell(*OURS, None))
    assert kept_cells(None, {OURS: compared.cell(*OURS, None)}) == {}


CHANGES = {
    "tool_version": "2", "network_sha256": "x", "preprocessing": "x", "target": "openvino", "recipe_sha256": "x",
    "seed": 1, "device": "cuda", "budget_seconds": 61.0, "scored_sha256": "x", "calibration_sha256": "x",
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_whatever_decides_a_number_has_its_cell_run_again(name: str) -> None:
    earlier = compared.cell(*OURS, compared.score(1, 0))
    assert not kept(earlier, compared.cell(*OURS, None, **{name: CHANGES[name]}))


@pytest.mark.parametrize("name", CHANGES)
def test_a_cell_that_is_not_asked_for_stays_in_its_own_comparison_only(name: str) -> None:
    earlier = compared.cell("w8a8", "ours", compared.score(1, 0))
    its_own = name in ("recipe_sha256", "calibration_sha256")
    assert kept(earlier, compared.cell(*OURS, None, **{name: CHANGES[name]})) == its_own


def test_a_method_without_a_budget_goes_with_any() -> None:
    earlier = compared.cell("w8a8", "dfq", compared.score(1, 0), budget_seconds=None)
    assert kept(earlier, compared.cell(*OURS, None))
