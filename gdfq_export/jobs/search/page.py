"""A search as Markdown: the answer, and a row for every cell with its figures or the reason why it was stopped."""

from __future__ import annotations

from collections.abc import Iterator

from gdfq_export.jobs.search.search_report import SearchReport, SearchRow
from gdfq_export.support.text import counted, printable

HEADS = ("recipe", "target", "seed", "outcome", "loss", "latency", "size", "draft", "why")


def build_page(report: SearchReport) -> str:
    """The page; links are relative to the folder of the search."""
    run = sum(row.row is not None for row in report.rows)
    lines = [
        f"# {_plain(report.network)}: a search over {counted(len(report.rows), 'cell')}",
        "",
        f"* **Limits**: {limits_text(report)}",
        f"* **Answer**: {_plain(answer_text(report))}",
        f"* **Run**: {run} of {counted(len(report.rows), 'cell')}, {report.seconds_cells:.0f} s; drafts of all "
        f"structures {report.seconds_drafts:.0f} s",
        f"* **Made with** gdfq-export {report.tool_version}",
        "",
        "A draft has the graph of the file to come, and so its speed and its size; its error, on noise and without "
        "tuning, is only a sign. Intervals in brackets are at 95 %.",
        "",
        f"| {' | '.join(HEADS)} |",
        f"| {' | '.join('---' for _ in HEADS)} |",
        *(f"| {' | '.join(_cells(row))} |" for row in report.rows),
    ]
    return "\n".join(lines) + "\n"


def limits_text(report: SearchReport) -> str:
    """The limits in one line."""
    named = (name if limit is True else f"{name} {limit:g}" for name, limit in report.limits.items())
    return ", ".join(named) or "none"


def answer_text(report: SearchReport) -> str:
    """The answer in one sentence, or the nearest cell."""
    answer, nearest = report.answer, report.nearest_row
    if answer is not None:
        return f"{answer.name}: {figures_text(answer)}"
    if nearest is not None:
        return f"no cell meets the limits; the nearest is {nearest.name}: {nearest.reason}"
    return f"no cell meets the limits, and none was measured; the first: {report.rows[0].reason}"


def figures_text(row: SearchRow) -> str:
    """Loss, latency and size of a cell that was measured."""
    loss, latency, size = figures(row)
    return ", ".join(filter(None, (f"loss {loss}" if loss else "", latency, size)))


def figures(row: SearchRow) -> tuple[str, str, str]:
    """Loss, latency and size as text; empty where they were not measured."""
    found = None if row.row is None else row.row.figures
    if found is None:
        return "", "", ""
    loss = "" if found.loss is None else found.loss.text
    latency = "" if found.latency_ms is None else f"{found.latency_ms:.3g} ms"
    return loss, latency, f"{found.size_ratio:.3f} of float's size"


def _cells(row: SearchRow) -> Iterator[str]:
    measured = row.row is not None and row.row.figures is not None
    link = f"[{_plain(row.recipe)}](jobs/{row.row.job}/report.html)" if measured and row.row else _plain(row.recipe)
    yield from (link, row.target, str(row.seed), f"**{row.outcome}**" if row.outcome == "meets" else row.outcome)
    yield from figures(row)
    yield "" if row.draft_ms is None else f"{row.draft_ms:.3g} ms, {row.draft_snr_db:.1f} dB"
    yield _plain(row.reason)


def _plain(text: str) -> str:
    return printable(" ".join(text.split())).replace("|", "\\|")
