"""The loop of a search: the next cells that may still be the answer are run, until none is left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gdfq_export.jobs.search.cells import SearchCell
from gdfq_export.jobs.search.draft_facts import DraftFacts
from gdfq_export.jobs.search.limits import Limits
from gdfq_export.jobs.search.stopping import Tried, best_of, nearest_of, stopped
from gdfq_export.report.batch_row import BatchRow

Measure = Callable[[Sequence[SearchCell]], Sequence[BatchRow]]
"""Runs cells, side by side where it can, and gives their rows in the same order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How the loop runs: cells at a time, and whether there is time for more."""

    at_once: int = 1
    time_left: Callable[[], bool] = lambda: True


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search found.

    Attributes:
        tried: cells that were run, in this order.
        stopped: cells that were not, with the reason.
        best: the best that meets the limits; None where none does.
        nearest: of those that were measured, the nearest to the limits.
    """

    tried: tuple[Tried, ...]
    stopped: tuple[tuple[SearchCell, str], ...]
    best: Tried | None
    nearest: Tried | None


def search_grid(
    cells: Sequence[SearchCell],
    drafts: Mapping[str, DraftFacts],
    limits: Limits,
    measure: Measure,
    how: Pace | None = None,
) -> Found:
    """Run cells in their order, and those of the fastest drafts first where recipes are the same.

    Args:
        cells: the grid, as `make_cells` orders it.
        drafts: of their structures.
        limits: what the answer must meet.
        measure: runs cells.
        how: how many at a time, and until when.
    """
    how = how or Pace()
    left = sorted(cells, key=lambda cell: (_place(cell, cells), _latency(drafts[cell.structure])))
    tried: list[Tried] = []
    refused: dict[str, tuple[SearchCell, str]] = {}
    while left:
        for cell in left:
            if (reason := stopped(cell, drafts, tried, limits)) is not None:
                refused[cell.name] = (cell, reason)
        left = [cell for cell in left if cell.name not in refused]
        if left and not how.time_left():
            refused |= {cell.name: (cell, "the time for the search was spent") for cell in left}
            break
        now, left = left[: how.at_once], left[how.at_once :]
        tried += [Tried(cell=cell, row=row) for cell, row in zip(now, measure(now) if now else (), strict=True)]
    return Found(
        tried=tuple(tried),
        stopped=tuple(refused[cell.name] for cell in cells if cell.name in refused),
        best=best_of(tried, limits),
        nearest=nearest_of(tried, limits),
    )


def _place(cell: SearchCell, cells: Sequence[SearchCell]) -> int:
    """The place of the first cell with this recipe and seed."""
    key = (cell.recipe.name, cell.seed)
    return next(number for number, each in enumerate(cells) if (each.recipe.name, each.seed) == key)


def _latency(facts: DraftFacts) -> float:
    return float("inf") if facts.reason is not None else facts.latency_ms[0]
