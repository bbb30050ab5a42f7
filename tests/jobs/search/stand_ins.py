"""Grids whose cells cost nothing: drafts and rows from numbers."""

from __future__ import annotations

from collections.abc import Sequence

from gdfq_export.gates import GATES
from gdfq_export.jobs.search.cells import SearchCell, make_cells, usual_recipes
from gdfq_export.jobs.search.draft_facts import DraftFacts
from gdfq_export.jobs.search.limits import Limits
from gdfq_export.jobs.search.search_grid import Found, search_grid
from gdfq_export.jobs.search.stopping import Tried, best_of
from gdfq_export.report.batch.row import BatchRow, JobFigures, Loss
from gdfq_export.report.verdict import Figure, evaluate_gate

TARGETS = ("ort-cpu", "ort-cpu-avx2", "openvino", "portable")
CELLS = make_cells(usual_recipes(), TARGETS, [0])


def draft(ms: float, *, size: float = 0.27, snr_db: float = 30.0, target: str = "ort-cpu") -> DraftFacts:
    """A draft whose rounds differ by half a percent."""
    rounds = tuple(ms * (1 + 0.005 * (number % 3 - 1)) for number in range(11))
    return DraftFacts(
        target=target, rounds_ms=rounds, float_ms=(2.0,) * 11, bytes=int(1e6 * size), size_ratio=size, snr_db=snr_db
    )


def row(cell: SearchCell, drop: float, ms: float, limits: Limits, *, half: float = 0.3, size: float = 0.27) -> BatchRow:
    """A cell that was measured with a drop of Top-1 and its gates."""
    loss = Loss(title="drop of Top-1", unit="pp", value=drop, low=drop - half, high=drop + half, source="photos")
    figures = JobFigures(
        loss=loss, bytes=int(1e6 * size), size_ratio=size, latency_ms=ms, speedup=2.0 / ms, file_sha256="f", runtime="r"
    )
    found = {
        "max-top1-drop-pp": Figure(value=drop, low=drop - half, high=drop + half, sample=1000),
        "max-size-ratio": Figure.exact(size),
    }
    gates = tuple(
        evaluate_gate(gate, found[gate.name], limits.gates[gate.name]) for gate in GATES if gate.name in limits.gates
    )
    return BatchRow(
        job=cell.name, network="net", recipe=cell.recipe.name, target=cell.target, seed=cell.seed, figures=figures,
        gates=gates, seconds=1.0,
    )  # fmt: skip


class Grid:
    """A grid whose truth is known: `drops` and `ms` by the name of a cell."""

    def __init__(self, cells: Sequence[SearchCell], drops: dict[str, float], ms: dict[str, float], limits: Limits):
        self.cells, self.drops, self.limits = cells, drops, limits
        self.ms = ms
        self.ran: list[str] = []
        sizes = {cell.name: 0.04 * cell.recipe.bits.weights for cell in cells}
        self.sizes = sizes
        self.drafts = {
            cell.structure: draft(ms[cell.name], size=sizes[cell.name], snr_db=40 - 5 * drops[cell.name])
            for cell in reversed(cells)
        }

    def rows(self, cells: Sequence[SearchCell]) -> list[BatchRow]:
        """Measure cells."""
        self.ran += [cell.name for cell in cells]
        return [
            row(cell, self.drops[cell.name], self.ms[cell.name], self.limits, size=self.sizes[cell.name])
            for cell in cells
        ]

    def search(self) -> Found:
        """The search over the grid."""
        return search_grid(self.cells, self.drafts, self.limits, self.rows)

    def best(self) -> Tried | None:
        """The best of all cells."""
        tried = [Tried(cell=cell, row=each) for cell, each in zip(self.cells, self.rows(self.cells), strict=True)]
        self.ran = []
        return best_of(tried, self.limits)
