"""Faults planted in a good file: which gate or rule catches each, and whether its message names the cause.

    GDFQ_EXPORT_DATA=FOLDER python -m bench.planted_faults

`bench/fault_free_file.py` makes the file, with noise, in seconds; `bench/faults.py` has the faults. One thing is broken
at a time, and the file is verified again. Writes bench/results/planted_faults.json and docs/faults.md.
`bench.good_files` asks whether good files raise a false alarm.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import click
import torch

from bench.fault_free_file import IMAGES, make_good_file
from bench.faults import Fault, faults_of
from bench.results_file import FOLDER, write_results

PAGE = FOLDER.parent.parent / "docs" / "faults.md"


@click.command()
def main() -> None:
    """Plant every fault, and say what catches it."""
    torch.set_num_threads(1)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        good = make_good_file(Path(folder))
        if alarm := good.verified(good.file):
            raise SystemExit(f"the good file does not pass: {alarm}")
        for fault in faults_of(good.file):
            said = fault.plant(good).replace(f"{folder}/", "")
            caught = _line(said, fault)
            rows.append({"fault": fault.title, "caught": bool(caught), "said": caught or said})
            click.echo(f"{'caught' if caught else 'MISSED'}  {fault.title}: {caught or said}")
    write_results("planted_faults", {"images": IMAGES, "faults": rows})
    PAGE.write_text(_page(rows), encoding="utf-8")
    click.echo(f"wrote {PAGE}")


def _line(said: str, fault: Fault) -> str:
    """What the right gate said, if it names the cause."""
    lines = said.splitlines()
    return next((line for line in lines if line.startswith(fault.gate) and fault.names in line), "")


def _page(rows: list[dict[str, Any]]) -> str:
    lines = [
        "# Faults planted in good files",
        "",
        f"A W8A8 file of cifar10_resnet20 passes every gate on {IMAGES} labelled images. Then one fault is planted at",
        "a time. The table has the message of `gdfq-export verify`. `python -m bench.planted_faults` makes this page.",
        "",
        "| fault | message |",
        "| --- | --- |",
        *(f"| {row['fault']} | {row['said'].replace('|', '/').replace(chr(10), '; ')} |" for row in rows),
        *_good_files(),
    ]
    return "\n".join(lines) + "\n"


def _good_files() -> list[str]:
    """What the rules say of good files, where that was measured."""
    results = FOLDER / "good_files.json"
    if not results.exists():
        return []
    findings = json.loads(results.read_text(encoding="utf-8"))["findings"]
    alarms = {title: messages[0] for title, messages in findings.items() if messages}
    return [
        "",
        "## Good files",
        "",
        f"{len(findings)} good files, one per network of [coverage.md](coverage.md) and target, were checked with",
        f"the rules of their runtime: {len(alarms)} false alarms. `python -m bench.good_files` measures it.",
        *(f"* {title}: {message}" for title, message in alarms.items()),
    ]


if __name__ == "__main__":
    main()
