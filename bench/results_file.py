"""Where a bench leaves its numbers: bench/results/NAME.json, with the machine and the versions behind them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gdfq_export.runtimes.environment.machine import this_machine, versions
from gdfq_export.support.files import atomic_output

FOLDER = Path(__file__).parent / "results"


def write_results(name: str, body: Mapping[str, Any]) -> Path:
    """Write `body` beside machine and versions; returns the file. A `/` in `name` is a folder."""
    path = FOLDER / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {"bench": name, "machine": asdict(this_machine()), "versions": versions(), **body}
    with atomic_output(path) as temporary:
        temporary.write_text(json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    return path


def replace_table(page: Path, table: str, *, start: str, end: str) -> None:
    """Put a table between two comments of a page."""
    before, rest = page.read_text(encoding="utf-8").split(start)
    page.write_text(before + start + table + end + rest.split(end)[1], encoding="utf-8")
