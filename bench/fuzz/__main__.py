"""Feed mutated inputs to every reader and print what became of them.

    python -m bench.fuzz [--inputs 100000] [--seconds 900] [--start 0] [--only TITLE] [--out bench/results/fuzz.json]

Inputs are counted over all readers, in proportion to how fast each is; an input is its reader and its seed.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path

from bench.fuzz.limited_process import outcomes
from bench.fuzz.readers import READERS, Reader

_SHARES = {".pt2": 1, "ONNX, float": 3, "ONNX, Q/DQ": 4, "JSON, sidecar": 3}
_FAST = 10
_ROUND = 5  # inputs of the slowest reader in a round


def main() -> None:
    """Run rounds over all readers until the inputs or the seconds are used up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--only", default="")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    chosen = [reader for reader in READERS if options.only in reader.title]
    counts: dict[str, Counter[str]] = {reader.title: Counter() for reader in chosen}
    seconds: Counter[str] = Counter()
    faults: dict[str, dict[str, int]] = {}
    begun, seed = time.monotonic(), options.start
    while sum(counter.total() for counter in counts.values()) < options.inputs:
        if time.monotonic() - begun >= options.seconds:
            break
        for reader in chosen:
            since = time.monotonic()
            count = _ROUND * _SHARES.get(reader.title, _FAST)
            for number, outcome in outcomes(reader, range(seed, seed + count)):
                kind = outcome if outcome in ("read", "refused") else "fault"
                counts[reader.title][kind] += 1
                if kind == "fault" and outcome not in faults.get(reader.title, {}):
                    faults.setdefault(reader.title, {})[outcome] = number
                    print(f"{reader.title} seed {number}: {outcome}", flush=True)
            seconds[reader.title] += time.monotonic() - since
        seed += _ROUND * _FAST
    print(table(chosen, counts, seconds))
    if options.out:
        rows = {title: {**counter, "seconds": round(seconds[title], 1)} for title, counter in counts.items()}
        total = sum(counter.total() for counter in counts.values())
        result = {"inputs": total, "first_seed": options.start, "readers": rows, "faults": faults}
        options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def table(readers: list[Reader], counts: dict[str, Counter[str]], seconds: Counter[str]) -> str:
    """A Markdown table with a line for each reader."""
    lines = ["| reader | inputs | read | refused | faults | seconds |", "| --- | --- | --- | --- | --- | --- |"]
    for reader in readers:
        found = counts[reader.title]
        cells = (found.total(), found["read"], found["refused"], found["fault"], round(seconds[reader.title]))
        lines.append(f"| {reader.title} | {' | '.join(f'{cell:,}' for cell in cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
