"""The loop over grids whose truth is known: the same answer as running everything, and much less run."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gdfq_export.jobs.search.cells import make_cells, usual_recipes
from gdfq_export.jobs.search.limits import Limits
from gdfq_export.jobs.search.search_grid import Pace, search_grid
from tests.jobs.search.stand_ins import CELLS, TARGETS, Grid

LOSSES = {"w8a8": 0.4, "w8a8-finetuned": 0.35, "w6a6": 0.9, "w4a8": 1.2, "mixed": 1.0, "w4a4": 3.0}


def grid(
    limits: Limits, *, losses: dict[str, float] | None = None, speeds: dict[str, float] | None = None, cells=CELLS
) -> Grid:
    """Losses by recipe, the same for all targets; latency by target."""
    losses, speeds = losses or LOSSES, speeds or dict(zip(TARGETS, (1.0, 1.1, 0.8, 1.5), strict=True))
    names = {cell.name: cell for cell in cells}
    drops = {name: losses[cell.recipe.name.removesuffix("-ort-cpu")] for name, cell in names.items()}
    return Grid(cells, drops, {name: speeds[cell.target] for name, cell in names.items()}, limits)


def test_a_network_that_loses_nothing_takes_one_cell() -> None:
    found = grid(Limits(gates={"max-top1-drop-pp": 1.0}), losses={name: 0.1 * loss for name, loss in LOSSES.items()})
    result = found.search()
    assert result.best is not None and result.best.cell.name == "w8a8-ort-cpu, openvino, seed 0"
    assert len(found.ran) == 1 and len(result.stopped) == 23
    assert all(reason for _, reason in result.stopped)


def test_limits_on_size_leave_only_cells_that_can_meet_them() -> None:
    found = grid(Limits(gates={"max-size-ratio": 0.2, "max-top1-drop-pp": 4.0}))
    result = found.search()
    best = found.best()
    assert result.best is not None and best is not None and result.best.cell == best.cell
    assert not any("w8a8" in name or "w6a6" in name for name in [tried.cell.name for tried in result.tried])


def test_hopeless_cells_are_stopped_by_one_with_more_bits_that_fails() -> None:
    found = grid(Limits(gates={"max-top1-drop-pp": 0.01}), losses={name: 5 + loss for name, loss in LOSSES.items()})
    result = found.search()
    assert result.best is None and result.nearest is not None
    assert result.nearest.cell.recipe.name.startswith("w8a8")
    assert {tried.cell.recipe.name for tried in result.tried} == {"w8a8-ort-cpu", "w8a8-finetuned-ort-cpu"}
    assert all("fails max-top1-drop-pp" in reason for _, reason in result.stopped)


def test_nothing_runs_where_all_drafts_are_too_slow() -> None:
    result = grid(Limits(max_latency_ms=0.1)).search()
    assert result.best is None and result.nearest is None and not result.tried and len(result.stopped) == 24


def test_later_seeds_run_only_where_they_can_change_the_answer() -> None:
    cells = make_cells(usual_recipes()[:1], TARGETS, [0, 1, 2])
    calm = grid(Limits(), losses={"w8a8": 0.1}, cells=cells)
    calm.search()
    assert calm.ran == ["w8a8-ort-cpu, openvino, seed 0"]
    lossy = grid(Limits(), losses={"w8a8": 2.0}, cells=cells)
    lossy.search()
    assert any(name.endswith("seed 2") for name in lossy.ran)
    assert lossy.ran.index("w8a8-ort-cpu, openvino, seed 1") > lossy.ran.index("w8a8-ort-cpu, ort-cpu, seed 0")


def test_the_time_of_a_search_ends_it_with_the_best_so_far() -> None:
    found = grid(Limits(), losses={name: 2 + loss for name, loss in LOSSES.items()})
    result = search_grid(
        found.cells, found.drafts, found.limits, found.rows, Pace(time_left=lambda: len(found.ran) < 2)
    )
    assert len(result.tried) == 2 and result.best is not None
    assert any(reason == "the time for the search was spent" for _, reason in result.stopped)


def test_cells_at_once_give_the_same_answer() -> None:
    one, many = (grid(Limits(gates={"max-top1-drop-pp": 2.0})) for _ in range(2))
    together = search_grid(many.cells, many.drafts, many.limits, many.rows, Pace(at_once=4))
    alone = one.search()
    assert alone.best is not None and together.best is not None
    assert together.best.cell == alone.best.cell


@settings(max_examples=150, deadline=None)
@given(
    losses=st.lists(st.floats(0, 4), min_size=6, max_size=6),
    speeds=st.lists(st.sampled_from([0.5, 0.8, 1.0, 1.02, 1.5]), min_size=4, max_size=4),
    drop=st.sampled_from([0.5, 1.0, 3.0]),
    size=st.sampled_from([0.18, 0.25, 1.0]),
    latency=st.sampled_from([None, 0.9, 1.2]),
)
def test_the_answer_is_that_of_the_whole_grid_or_within_its_interval(losses, speeds, drop, size, latency) -> None:
    """Where fewer bits lose no less, as drafts say: losses are sorted so."""
    order = sorted(losses)
    truth = dict(zip(("w8a8-finetuned", "w8a8", "w6a6", "mixed", "w4a8", "w4a4"), order, strict=True))
    limits = Limits(gates={"max-top1-drop-pp": drop, "max-size-ratio": size}, max_latency_ms=latency)
    found = grid(limits, losses=truth, speeds=dict(zip(TARGETS, speeds, strict=True)))
    best, result = found.best(), found.search()
    assert (best is None) == (result.best is None)
    if best is None or result.best is None:
        return
    mine, theirs = result.best.row.figures, best.row.figures
    assert mine is not None and theirs is not None and mine.loss is not None and theirs.loss is not None
    assert mine.loss.value <= theirs.loss.high + 1e-9
    assert mine.loss.value > theirs.loss.value or mine.latency_ms <= 1.03 * theirs.latency_ms
