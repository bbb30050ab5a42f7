"""Runs sections one after the other, each in a process that is ended at its deadline, and keeps what they made."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.gpu.section import Row, Section

_SHORTEST = 5.0  # seconds; a section is not begun for less
Start = Callable[[Section, Path], Sequence[str]]
"""Gives the command that measures a section and writes its rows to a file."""


@dataclass(kw_only=True)
class Measured:
    """What became of a section.

    Attributes:
        rows: that were made, by title.
        reason: why the others are missing; empty where none is.
        seconds: that it took.
    """

    rows: dict[str, Row] = field(default_factory=dict)
    reason: str = ""
    seconds: float = 0.0

    @property
    def complete(self) -> bool:
        """Whether nothing is left to measure."""
        return not self.reason


def measure_to(section: Section, answer: Path) -> None:
    """Measure a section in this process; `answer` has every row as soon as it is made."""
    rows: dict[str, Row] = {}
    _write(answer, rows)
    for title, row in section.measure():
        rows[title] = row
        _write(answer, rows)


def run_section(section: Section, start: Start, seconds: float) -> Measured:
    """Measure a section in a process of its own, for at most `seconds`."""
    if reason := section.missing():
        return Measured(reason=reason)
    with tempfile.TemporaryDirectory(prefix="gdfq-export-") as folder:
        answer, log = Path(folder) / "answer.json", Path(folder) / "log"
        started = time.monotonic()
        with log.open("w") as output:
            process = subprocess.Popen(start(section, answer), stdout=output, stderr=subprocess.STDOUT)
            try:
                code = process.wait(seconds)
                said = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
                reason = "" if code == 0 else f"it ended with {code}: {said[-1] if said else 'no message'}"
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                reason = f"it took longer than its {seconds:.0f} s"
        rows = json.loads(answer.read_text()) if answer.exists() else {}
        return Measured(rows=rows, reason=reason, seconds=time.monotonic() - started)


def run_all(
    sections: Sequence[Section],
    start: Start,
    seconds: float,
    *,
    before: Mapping[str, Measured],
    keep: Callable[[Mapping[str, Measured]], None],
) -> dict[str, Measured]:
    """Measure what is not complete, within `seconds` for all.

    Args:
        sections: in their order.
        start: gives the command of a section.
        seconds: for all of them.
        before: what an earlier run has measured on this machine, by name.
        keep: given everything measured so far after each section.
    """
    deadline = time.monotonic() + seconds
    found = dict(before)
    for section in sections:
        if section.name in found and found[section.name].complete:
            continue
        left = min(section.seconds, deadline - time.monotonic())
        late = f"the time was used up: run it again, and it goes on with {section.name}"
        new = run_section(section, start, left) if left > _SHORTEST else Measured(reason=late)
        earlier = found.get(section.name, Measured()).rows
        found[section.name] = Measured(rows=earlier | new.rows, reason=new.reason, seconds=new.seconds)
        keep(found)
    return found


def this_module(section: Section, answer: Path) -> list[str]:
    """The command that measures a section of `bench.gpu`."""
    return [sys.executable, "-m", "bench.gpu", "--section", section.name, "--answer", str(answer)]


def lines(section: Section, measured: Measured) -> list[str]:
    """A line for each row: its first numbers, or why it has none."""
    shown = []
    for title in section.titles:
        row = measured.rows.get(title)
        shown.append(f"{title}: " + (f"not measured: {measured.reason}" if row is None else _numbers(row)))
    return shown


def _numbers(row: Row) -> str:
    plain = {name: value for name, value in row.items() if isinstance(value, int | float | str)}
    told = [f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in plain.items()]
    inner = row.get("top1") or row.get("latency") or row.get("difference_from_gpu") or {}
    more = [f"{name} {_short(value)}" for name, value in inner.items() if not isinstance(value, list)]
    return ", ".join([*told, *more]) or "measured"


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value.get('value', '')}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _write(answer: Path, rows: Mapping[str, Row]) -> None:
    temporary = answer.with_suffix(".new")
    temporary.write_text(json.dumps(rows, allow_nan=False))
    temporary.replace(answer)
