"""When a cell need not be run: what was measured says that it cannot be the answer.

The answer is the cell that meets the limits and loses least; a loss below 0 counts as 0, and of equal losses the
fastest wins. Each rule follows from a measurement:

* a draft that is too slow or too large: the file will have its graph (`Limits.too_much`);
* fewer bits of every kind, and a draft with a larger error, than a cell that was measured: it loses no less;
* the best so far loses nothing that its images show: only a faster one could be better, and drafts say which are;
* another seed of a recipe that loses more than the best for sure, or misses a limit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gdfq_export.jobs.search.cells import SearchCell, fewer_bits
from gdfq_export.jobs.search.draft_facts import DraftFacts
from gdfq_export.jobs.search.limits import Limits, fails_accuracy
from gdfq_export.report.batch.row import BatchRow

FASTER = 1.03  # what counts as a difference in speed
_SAME_BITS_DB = 3.0  # drafts of the same bits that differ by more


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A cell that was run, and what came of it."""

    cell: SearchCell
    row: BatchRow


def loss_of(row: BatchRow) -> float:
    """What quantization costs in the unit of the row's loss, at least 0; infinite where nothing was compared."""
    loss = None if row.figures is None else row.figures.loss
    return float("inf") if loss is None else max(0.0, loss.value)


def rank(row: BatchRow) -> tuple[float, float]:
    """The order of cells that meet the limits: loss, then latency."""
    latency = None if row.figures is None else row.figures.latency_ms
    return loss_of(row), float("inf") if latency is None else latency


def best_of(tried: Sequence[Tried], limits: Limits) -> Tried | None:
    """The best cell that meets the limits; None where none does."""
    meeting = [each for each in tried if limits.meets(each.row)]
    return min(meeting, key=lambda each: rank(each.row), default=None)


def nearest_of(tried: Sequence[Tried], limits: Limits) -> Tried | None:
    """Of the cells that were measured, the one that is nearest to the limits."""
    measured = [each for each in tried if each.row.reason is None]
    return min(measured, key=lambda each: (limits.excess(each.row), *rank(each.row)), default=None)


def stopped(cell: SearchCell, drafts: Mapping[str, DraftFacts], tried: Sequence[Tried], limits: Limits) -> str | None:
    """Why a cell cannot be the answer, as far as is known now; None where it may be."""
    facts = drafts[cell.structure]
    if facts.reason is not None:
        return facts.reason
    if cell.recipe.bits.precision == "fixed" and (reason := limits.too_much(facts)) is not None:
        return reason
    for each in tried:
        if each.row.reason is None and (reason := _after(cell, each, drafts, limits)) is not None:
            return reason
    best = best_of(tried, limits)
    return None if best is None else _worse_than(cell, best, drafts, tried)


def _after(cell: SearchCell, other: Tried, drafts: Mapping[str, DraftFacts], limits: Limits) -> str | None:
    """Why a cell loses no less than one that was run, which fails the limits on accuracy or meets all limits."""
    mine, theirs = drafts[cell.structure], drafts[other.cell.structure]
    same = cell.recipe.model_copy(update={"target": other.cell.target}) == other.cell.recipe
    fewer = fewer_bits(cell.recipe.bits, other.cell.recipe.bits) and mine.snr_db <= theirs.snr_db
    coarser = same and mine.snr_db <= theirs.snr_db - _SAME_BITS_DB
    if not fewer and not coarser:
        return None
    why = "fewer bits" if fewer else "the same recipe in a coarser form"
    errors = f"{mine.snr_db:.1f} dB as a draft, {other.cell.name} {theirs.snr_db:.1f} dB"
    if (gate := fails_accuracy(other.row)) is not None:
        return f"{why} ({errors}), and that fails {gate.title}"
    faster = mine.speed_over(theirs).low > FASTER and loss_of(other.row) == 0
    if limits.meets(other.row) and not faster:
        return f"{why} ({errors}), and that meets the limits"
    return None


def _worse_than(cell: SearchCell, best: Tried, drafts: Mapping[str, DraftFacts], tried: Sequence[Tried]) -> str | None:
    """Why a cell can't be better than the best so far, but by the luck of its images."""
    figures = best.row.figures
    loss = None if figures is None else figures.loss
    if loss is None:
        return None
    speed = drafts[cell.structure].speed_over(drafts[best.cell.structure])
    if loss.low <= 0 and speed.low <= FASTER:
        return (
            f"{best.cell.name} loses nothing that its images show ({loss.text}), and the draft of this one is not "
            f"faster ({speed.value:.2f} times its speed)"
        )
    first = next((each for each in tried if cell.follows(each.cell)), None)
    lost = None if first is None or first.row.figures is None else first.row.figures.loss
    if first is not None and lost is not None and first.row is not best.row and lost.low > loss.value:
        return f"seed {first.cell.seed} loses more than {best.cell.name} for sure ({lost.text})"
    return None
