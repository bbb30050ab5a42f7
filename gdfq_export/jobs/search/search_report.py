"""What a search found: every cell with its figures, or with the reason why it was not run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gdfq_export.report.batch.row import BatchRow
from gdfq_export.report.json_form import to_json_data

SCHEMA_VERSION = 1

Outcome = Literal["meets", "misses", "failed", "stopped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRow:
    """One cell.

    Attributes:
        recipe: its name.
        target: the runtime.
        seed: random seed.
        outcome: it meets all limits, misses one, could not be run, or was stopped before it was run.
        reason: which limits it misses, or why it was not run; empty for one that meets them.
        row: what was measured of it.
        draft_ms: median latency of its structure's draft, ms per batch; None where there is no draft.
        draft_size_ratio: size of that draft by the float network's.
        draft_snr_db: error of that draft on noise, dB.
    """

    recipe: str
    target: str
    seed: int
    outcome: Outcome
    reason: str = ""
    row: BatchRow | None = None
    draft_ms: float | None = None
    draft_size_ratio: float | None = None
    draft_snr_db: float | None = None

    @property
    def name(self) -> str:
        """The cell in one line."""
        return f"{self.recipe}, {self.target}, seed {self.seed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchReport:
    """A search as a whole.

    Attributes:
        tool_version: of the search.
        network: its name.
        limits: by the names of their flags.
        rows: all cells, in the order of the grid.
        best: number of the row that meets the limits and loses least; None where none meets them.
        nearest: number of the row that is nearest to the limits; None where nothing was measured.
        seconds_drafts: spent on drafts.
        seconds_cells: spent on the cells that were run, now or by an earlier search in the same folder.
    """

    tool_version: str
    network: str
    limits: Mapping[str, float | bool]
    rows: tuple[SearchRow, ...]
    best: int | None
    nearest: int | None
    seconds_drafts: float
    seconds_cells: float

    @property
    def answer(self) -> SearchRow | None:
        """The row that was found."""
        return None if self.best is None else self.rows[self.best]

    @property
    def nearest_row(self) -> SearchRow | None:
        """The row that is nearest to the limits."""
        return None if self.nearest is None else self.rows[self.nearest]

    def to_json(self) -> str:
        """The search as JSON text."""
        body = {"schema_version": SCHEMA_VERSION, **to_json_data(self, "", {})}
        return json.dumps(body, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
