"""A batch as one HTML page beside its reports: all jobs, and for each network what is worth choosing between.

Like a report's page it loads nothing; it has no script at all. It links to the jobs' pages by relative addresses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from gdfq_export.report.batch.batch import Batch, on_frontier
from gdfq_export.report.batch.row import BatchRow
from gdfq_export.support.text import counted, printable
from gdfq_export.views.html.numerals import kilobytes, milliseconds, significant
from gdfq_export.views.html.packaged import content_hash, environment, packaged
from gdfq_export.views.html.scale import Scale, linear_scale

_TONES = {
    "passed": "passed",
    "failed": "failed",
    "inconclusive": "inconclusive",
    "measured": "none",
    "not run": "failed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RowView:
    """A row as text; `link` is the job's page, empty for one that did not run."""

    row: BatchRow
    tone: str
    link: str
    loss: str
    latency: str
    size: str
    best: bool
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A job on a network's chart, in per cent from its left and top."""

    kind: str
    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontierChart:
    """Loss over latency, or over size where latency was not measured; marks of the frontier are filled."""

    across: Scale
    up: Scale
    marks: tuple[Mark, ...]
    across_title: str
    up_title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkView:
    """The jobs of one network; no chart where fewer than two were measured."""

    name: str
    rows: tuple[RowView, ...]
    chart: FrontierChart | None


def render_batch(batch: Batch) -> str:
    """The page as text, to be written in UTF-8 beside the folder `jobs`."""
    style = packaged("style.css")
    text: str = (
        environment()
        .get_template("batch.html")
        .render(
            batch=batch,
            style=Markup(style),
            style_hash=content_hash(style),
            subtitle=_subtitle(batch),
            networks=[_network(name, rows) for name, rows in batch.by_network],
        )
    )
    return printable(text, lines=True)


def _subtitle(batch: Batch) -> str:
    verdicts = [row.verdict for row in batch.rows]
    counts = [f"{verdicts.count(verdict):,} {verdict}" for verdict in _TONES if verdict in verdicts]
    missing = batch.total - len(batch.rows)
    counts += [f"{missing:,} still to run"] if missing else []
    return f"{counted(batch.total, 'job')}: {', '.join(counts)}"


def _network(name: str, rows: Sequence[BatchRow]) -> NetworkView:
    best = on_frontier(rows)
    views = tuple(_row(row, best=good) for row, good in zip(rows, best, strict=True))
    return NetworkView(name=name, rows=views, chart=_chart(rows, best))


def _row(row: BatchRow, *, best: bool) -> RowView:
    figures = row.figures
    missed = "; ".join(f"{gate.name}: {gate.message}" for gate in row.gates if not gate.passed)
    return RowView(
        row=row,
        tone=_TONES[row.verdict],
        link="" if figures is None else f"jobs/{row.job}/report.html",
        loss="" if figures is None or figures.loss is None else figures.loss.text,
        latency="" if figures is None or figures.latency_ms is None else milliseconds(figures.latency_ms),
        size="" if figures is None else kilobytes(figures.bytes),
        best=best,
        note=row.reason or missed,
    )


def _chart(rows: Sequence[BatchRow], best: Sequence[bool]) -> FrontierChart | None:
    """Only jobs whose loss is the same figure are comparable; the first job's is taken."""
    measured = [(row, good) for row, good in zip(rows, best, strict=True) if row.figures and row.figures.loss]
    if len(measured) < 2:
        return None
    losses = [row.figures.loss for row, _ in measured if row.figures and row.figures.loss]
    timed = all(row.figures and row.figures.latency_ms is not None for row, _ in measured)
    across = [_across(row, timed=timed) for row, _ in measured]
    up = [loss.value for loss in losses]
    x, y = linear_scale(min(across), max(across)), linear_scale(min(0.0, *up), max(up))
    return FrontierChart(
        across=x,
        up=y,
        marks=tuple(
            Mark(
                kind="quantized" if good else "float",
                x=x.at(at),
                y=y.down(loss.value),
                text=f"{row.recipe}, {row.target}, seed {row.seed}: {loss.text}, {significant(at)}",
            )
            for (row, good), at, loss in zip(measured, across, losses, strict=True)
        ),
        across_title="median latency, ms per batch" if timed else "size of the file, KiB",
        up_title=f"{losses[0].title}, {losses[0].unit}",
    )


def _across(row: BatchRow, *, timed: bool) -> float:
    figures = row.figures
    assert figures is not None, "it was measured"
    return (figures.latency_ms or 0.0) if timed else figures.bytes / 1024
