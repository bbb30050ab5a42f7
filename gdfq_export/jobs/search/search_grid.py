"""The loop of a search: the next cells that may still be the answer are run, until none is left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gdfq_export.jobs.search.cells import SearchCell
from gdfq_export.jobs.search.draft_facts import DraftFacts
from gdfq_export.jobs.search.limits import Limits
from gdfq_export.jobs.search.stopping import FASTER, Tried, best_of, nearest_of, stopped
from gdfq_export.report.batch.row import BatchRow

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
    left = in_order(cells, drafts)
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


def in_order(cells: Sequence[SearchCell], drafts: Mapping[str, DraftFacts]) -> list[SearchCell]:
    """The cells in their order, those of one recipe and seed by the speed of their drafts.

    Of those that may be as fast as the fastest, the one with the smallest error comes first.
    """
    groups: dict[tuple[str, int], list[SearchCell]] = {}
    for cell in cells:
        groups.setdefault((cell.recipe.name, cell.seed), []).append(cell)
    return [cell for group in groups.values() for cell in sorted(group, key=_speed_within(group, drafts))]


def _speed_within(
    group: Sequence[SearchCell], drafts: Mapping[str, DraftFacts]
) -> Callable[[SearchCell], tuple[float, float]]:
    timed = [facts for cell in group if (facts := drafts[cell.structure]).reason is None]
    fastest = min(timed, key=lambda facts: facts.latency_ms[0], default=None)

    def key(cell: SearchCell) -> tuple[float, float]:
        facts = drafts[cell.structure]
        if fastest is None or facts.reason is not None:
            return float("inf"), 0.0
        equal = fastest.speed_over(facts).low <= FASTER
        return 0.0 if equal else facts.latency_ms[0], -facts.snr_db

    return key
