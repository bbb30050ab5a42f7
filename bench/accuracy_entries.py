"""What the runs of a cell say together: read from their files, one entry for all seeds.

The drop is the mean over seeds. All seeds see the same images, so its interval is the paired one of a single run, with
the counts of images on which float and quantized differ averaged over the seeds; it says what other images would
change, and `spread`, the largest drop less the smallest, what another seed would.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from gdfq_export.errors import InputError
from gdfq_export.support.confidence_interval import paired_difference_interval
from gdfq_export.support.text import counted

__all__ = ["Entries", "Entry", "combine", "read_entries"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One cell over its seeds.

    Attributes:
        network: its name.
        bits: key of the grid.
        method: key of the method.
        seeds: of the runs that ended, ascending.
        images: scored.
        images_of: the file they are from, and which part of it.
        float_top1: of the float network on these images, percent.
        top1: mean over seeds, percent.
        drop: mean over seeds, percentage points, with its 95 % interval `low` to `high`.
        low: lower end.
        high: upper end.
        spread: largest drop less smallest, percentage points; None of one seed.
        seconds: mean over seeds, up to the written file.
        budget: seconds that a run was given.
        memory: largest over seeds, GiB.
        machine: where the first seed ran, as text.
        steps: of a schedule that was cut to the budget, (fewest over seeds, published); None of others.
        statistics: of the images tuned on, of the first seed; None where they were not measured.
        failed: why no run ended; all figures are then 0.
    """

    network: str
    bits: str
    method: str
    seeds: tuple[int, ...] = ()
    images: int = 0
    images_of: str = ""
    float_top1: float = 0.0
    top1: float = 0.0
    drop: float = 0.0
    low: float = 0.0
    high: float = 0.0
    spread: float | None = None
    seconds: float = 0.0
    budget: float = 0.0
    memory: float = 0.0
    machine: str = ""
    steps: tuple[int, int] | None = None
    statistics: Mapping[str, Any] | None = None
    failed: str | None = None


Entries = Mapping[tuple[str, str, str], Entry]


def read_entries(folder: Path) -> Entries:
    """All cells with a file in `folder`, by network, bits and method.

    Raises:
        InputError: runs of one cell were scored on different images or had different budgets.
    """
    runs = defaultdict(list)
    for path in sorted(folder.glob("*.json")):
        run = json.loads(path.read_text(encoding="utf-8"))
        runs[run["network"], run["bits"], run["method"]].append(run)
    return {key: combine(group) for key, group in runs.items()}


def combine(runs: Iterable[Mapping[str, Any]]) -> Entry:
    """One entry of the runs of one cell, each a file of results as JSON data.

    Raises:
        InputError: they were scored on different images or had different budgets.
    """
    runs = sorted(runs, key=lambda run: run["seed"])
    cell = {key: runs[0][key] for key in ("network", "bits", "method")}
    ended = [run for run in runs if "failed" not in run]
    if not ended:
        return Entry(**cell, failed=runs[0]["failed"])
    for what in ("scored", "budget_seconds"):
        if any(run[what] != ended[0][what] for run in ended):
            raise InputError(f"the seeds of {', '.join(cell.values())} differ in {what}; run them again alike")
    first = ended[0]
    return Entry(
        **cell,
        **_scores([run["report"]["accuracy"]["top1"] for run in ended], first["scored"]["images"]),
        seeds=tuple(run["seed"] for run in ended),
        images_of=_part(first["scored"]),
        seconds=fmean(run["seconds"]["to_the_file"] for run in ended),
        budget=first["budget_seconds"],
        memory=max(run["peak_memory_gib"] for run in ended),
        machine=_machine(first),
        steps=_steps([run["cut"] for run in ended if run["cut"] is not None]),
        statistics=first["set"],
    )


def _scores(top1: Sequence[Mapping[str, Any]], images: int) -> dict[str, Any]:
    """Means over seeds of Top-1 figures that were all counted on the same `images`."""
    only_float, only_quantized = (
        fmean(counts[key] for counts in top1) for key in ("only_float_right", "only_quantized_right")
    )
    low, high = paired_difference_interval(only_float, only_quantized, images)
    drops = [counts["drop_pp"] for counts in top1]
    return {
        "images": images,
        "float_top1": 100 * top1[0]["float_network"]["value"],
        "top1": 100 * fmean(counts["quantized"]["value"] for counts in top1),
        "drop": fmean(drops),
        "low": 100 * low,
        "high": 100 * high,
        "spread": max(drops) - min(drops) if len(drops) > 1 else None,
    }


def _part(scored: Mapping[str, Any]) -> str:
    return scored["file"] if scored["half"] is None else f"{scored['half']} half of {scored['file']}"


def _steps(cuts: Sequence[Mapping[str, Any]]) -> tuple[int, int] | None:
    """The fewest steps over seeds, and those of the published schedule."""
    return (min(cut["steps"] for cut in cuts), cuts[0]["published_steps"]) if cuts else None


def _machine(run: Mapping[str, Any]) -> str:
    """CPU, cores, threads, and the versions that decide the result."""
    machine, versions = run["machine"], run["versions"]
    cores, threads = counted(machine["cores"], "core"), counted(run["threads"], "thread")
    software = ", ".join(f"{package} {versions[package]}" for package in ("torch", "onnxruntime"))
    device = "" if run["device"] == "cpu" else f", trained on {run['device']}"
    return f"{machine['cpu']}, {cores}, {threads}{device} ({software})"
