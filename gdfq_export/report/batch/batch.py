"""A batch as data: a row for each job, in the order of the file of jobs; `batch.json`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from gdfq_export import __version__
from gdfq_export.report.batch.row import BatchRow, JobFigures
from gdfq_export.report.json_form import to_json_data

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """All jobs of a batch; `total` counts those that have no row yet as well."""

    rows: tuple[BatchRow, ...]
    total: int
    tool_version: str = __version__

    @property
    def exit_code(self) -> int:
        """The worst of all jobs: 0, 1 where a gate did not pass, 2 where one could not be run, 3, 4."""
        return max((row.exit_code for row in self.rows), default=0)

    @property
    def by_network(self) -> list[tuple[str, tuple[BatchRow, ...]]]:
        """The rows of each network, in order."""
        ordered = sorted(self.rows, key=lambda row: self._networks.index(row.network))
        return [(network, tuple(rows)) for network, rows in groupby(ordered, key=lambda row: row.network)]

    @property
    def _networks(self) -> list[str]:
        return list(dict.fromkeys(row.network for row in self.rows))

    def to_json(self) -> str:
        """Indented JSON with a stable key order, ending in a newline."""
        rows = [
            {**to_json_data(row, "", {}), "verdict": row.verdict, "exit_code": row.exit_code, "on_frontier": best}
            for network, of_it in self.by_network
            for row, best in zip(of_it, on_frontier(of_it), strict=True)
        ]
        body = {
            "schema_version": SCHEMA_VERSION,
            "tool_version": self.tool_version,
            "jobs": self.total,
            "exit_code": self.exit_code,
            "rows": rows,
        }
        return json.dumps(body, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def on_frontier(rows: Iterable[BatchRow]) -> list[bool]:
    """For each row of one network, whether no other one loses less, is smaller and is faster at once.

    A row is off the frontier where another is as good in loss, bytes and latency, and better in one of them. Loss is
    compared by its value; latency where both were measured in the same runtime.
    """
    figures = [row.figures for row in rows]
    return [
        own is not None
        and own.loss is not None
        and not any(other is not None and other is not own and _dominates(other, own) for other in figures)
        for own in figures
    ]


def _dominates(other: JobFigures, own: JobFigures) -> bool:
    if other.loss is None or own.loss is None or other.loss.title != own.loss.title:
        return False
    pairs: list[tuple[float, float]] = [(other.loss.value, own.loss.value), (other.bytes, own.bytes)]
    if other.latency_ms is not None and own.latency_ms is not None and other.runtime == own.runtime:
        pairs.append((other.latency_ms, own.latency_ms))
    elif other.latency_ms != own.latency_ms:
        return False
    return all(theirs <= ours for theirs, ours in pairs) and any(theirs < ours for theirs, ours in pairs)
