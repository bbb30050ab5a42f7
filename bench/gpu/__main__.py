"""Everything that needs a GPU: files beside the CPU's, seconds, accuracy of large images, TensorRT engines.

    GDFQ_EXPORT_DATA=FOLDER python -m bench.gpu
    python -m bench.gpu --only w8a8-ort-cpu,engines-resnet18

Each section has a process and a deadline of its own, all together eight minutes. bench/results/gpu.json is written
after each; the same command again goes on with what is missing. Without a GPU every row says why it has no number, and
the exit code is 0. `python -m bench.latency page` puts the rows of TensorRT into docs/latency.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from bench.gpu import engines, large_images, recipes
from bench.gpu.needs import gpu_facts
from bench.gpu.runner import Measured, lines, measure_to, run_all, this_module
from bench.gpu.section import Section
from bench.results_file import FOLDER, write_results
from gdfq_export.runtimes.environment.machine import versions

NAME = "gpu"
SECONDS = 480.0


def all_sections() -> list[Section]:
    """In the order in which they are measured."""
    return [*recipes.sections(), *engines.sections(), *large_images.sections()]


def earlier(
    body: Mapping[str, Any] | None, gpu: Mapping[str, Any] | None, now: Mapping[str, str]
) -> dict[str, Measured]:
    """What a file has that was measured on this GPU with these versions, by section."""
    if body is None or gpu is None or body["gpu"] != gpu or body["versions"] != now:
        return {}
    return {name: Measured(**measured) for name, measured in body["sections"].items()}


@click.command()
@click.option("--only", help="Sections, comma-separated.  [default: all]")
@click.option("--seconds", default=SECONDS, show_default=True, help="For all sections together.")
@click.option("--again", is_flag=True, help="Measure what was measured before as well.")
@click.option("--section", hidden=True)
@click.option("--answer", type=click.Path(path_type=Path), hidden=True)
def main(only: str | None, seconds: float, again: bool, section: str | None, answer: Path | None) -> None:
    """Measure on this machine's GPU."""
    known = {each.name: each for each in all_sections()}
    if section is not None and answer is not None:
        measure_to(known[section], answer)
        return
    names = list(known) if only is None else only.split(",")
    if unknown := [name for name in names if name not in known]:
        raise click.UsageError(f"there is no section {unknown[0]}; give some of {', '.join(known)}")
    path, gpu = FOLDER / f"{NAME}.json", gpu_facts()
    body = json.loads(path.read_text(encoding="utf-8")) if path.exists() and not again else None

    def keep(found: Mapping[str, Measured]) -> None:
        write_results(NAME, {"gpu": gpu, "sections": {name: asdict(each) for name, each in found.items()}})

    before = earlier(body, gpu, versions())
    found = run_all([known[name] for name in names], this_module, seconds, before=before, keep=keep)
    for name in names:
        for line in lines(known[name], found[name]):
            click.echo(line)
    click.echo(f"wrote {path}")


if __name__ == "__main__":
    main()
