"""All rows together: the worst exit code, and what of a network is worth choosing between."""

from __future__ import annotations

import json

from gdfq_export.report.batch.batch import Batch, on_frontier
from gdfq_export.report.batch.row import BatchRow, JobFigures, Loss


def row(loss: float | None, size: int, latency: float | None, *, network: str = "net", **more: object) -> BatchRow:
    measured = None
    if loss is not None:
        measured = Loss(title="drop of Top-1", unit="pp", value=loss, low=loss - 1, high=loss + 1, source="photos")
    figures = JobFigures(
        loss=measured, bytes=size, size_ratio=0.25, latency_ms=latency, speedup=None, file_sha256="f", runtime="ort"
    )
    return BatchRow(job="j", network=network, recipe="r", target="ort-cpu", seed=0, figures=figures, **more)  # type: ignore[arg-type]


def test_the_frontier_has_what_nothing_is_better_than() -> None:
    rows = [row(1.0, 100, 2.0), row(2.0, 50, 2.0), row(2.0, 100, 2.0), row(3.0, 100, 1.0), row(None, 1, 0.1)]
    assert on_frontier(rows) == [True, True, False, True, False]


def test_equals_are_both_on_the_frontier() -> None:
    assert on_frontier([row(1.0, 100, None), row(1.0, 100, None)]) == [True, True]


def test_what_was_not_timed_is_compared_with_its_like_alone() -> None:
    assert on_frontier([row(1.0, 100, 2.0), row(2.0, 200, None)]) == [True, True]
    assert on_frontier([row(1.0, 100, None), row(2.0, 200, None)]) == [True, False]


def test_rows_are_grouped_by_network_and_the_worst_decides() -> None:
    failed = row(1.0, 1, None, network="b", reason="no such file", failed_with=2)
    batch = Batch(rows=(row(1.0, 1, None, network="a"), failed, row(0.5, 1, None, network="a")), total=4)
    assert [(name, len(rows)) for name, rows in batch.by_network] == [("a", 2), ("b", 1)]
    assert batch.exit_code == 2
    body = json.loads(batch.to_json())
    assert body["jobs"] == 4 and [each["on_frontier"] for each in body["rows"]] == [False, True, True]
    assert Batch(rows=(), total=0).exit_code == 0
