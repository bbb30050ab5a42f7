"""Accuracy without data: networks x bits x methods, each cell a run of its own, and the page that shows them.

    GDFQ_EXPORT_DATA=FOLDER python -m bench.accuracy run cifar10_resnet20 w4a4 ours --seed 0
    GDFQ_EXPORT_DATA=FOLDER python -m bench.accuracy all --networks cifar10_resnet20 --bits w4a4 --seeds 0,1,2
    python -m bench.accuracy page

`run` writes bench/results/accuracy/NETWORK-BITS-METHOD-seedN.json, `all` starts a process for each cell, so that
seconds and memory are the cell's own, and `page` makes docs/accuracy.md of whatever was run. FOLDER holds
models/NAME.onnx with their sidecars, cifar10_test_dev.npz, cifar10_train_5000.npz, cifar100_mixed_dev.npz, and
imagenet_val/ with labels.csv.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import click

from bench.accuracy_cells import BIT_WIDTHS, METHODS, NETWORKS, TABLE_BITS, Cell, budget_of, reason_against
from bench.results_file import FOLDER, write_results
from gdfq_export.errors import GdfqExportError, InputError

RESULTS = FOLDER / "accuracy"
PAGE = FOLDER.parent.parent / "docs" / "accuracy.md"


@click.group()
def main() -> None:
    """Run cells of the accuracy table, and make its page."""


@main.command()
@click.argument("network")
@click.argument("bits", type=click.Choice(tuple(BIT_WIDTHS)))
@click.argument("method", type=click.Choice(tuple(METHODS)))
@click.option("--seed", default=0, show_default=True)
@click.option(
    "--budget",
    type=float,
    help="Seconds, up to the written file, that every method may spend.  [default: those of the table for GDFQ and "
    "ZeroQ, the recipe's own numbers for the others]",
)
@click.option("--threads", type=click.IntRange(min=1), help="For torch.  [default: all cores]")
@click.option("--device", type=click.Choice(("cpu", "cuda")), default="cpu", show_default=True)
@click.option("--images", type=click.Path(exists=True, path_type=Path), help="Labelled images of another network.")
@click.option("--dry-run", is_flag=True, help="Print the recipe's name and what would be quantized; write nothing.")
@click.option("--untrained", is_flag=True, help="With --dry-run: pytorchcv: networks with random weights, not fetched.")
def run(
    network: str,
    bits: str,
    method: str,
    seed: int,
    budget: float | None,
    threads: int | None,
    device: str,
    images: Path | None,
    dry_run: bool,
    untrained: bool,
) -> None:
    """Run one cell: NETWORK is one of the table, or pytorchcv:NAME, or a path, with --images."""
    cell = Cell(network=network, bits=bits, method=method, seed=seed)
    if untrained and not dry_run:
        raise click.UsageError("--untrained goes with --dry-run: a network with random weights has no accuracy to lose")
    from bench import accuracy_run

    folder = os.environ.get("GDFQ_EXPORT_DATA")
    place = accuracy_run.Place(folder=Path(folder) if folder else None, images=images)
    if dry_run:
        accuracy_run.print_dry_run(cell, place, untrained=untrained)
        return
    reason = reason_against(cell)
    if reason is not None:
        raise click.UsageError(f"{cell.name} cannot be run: {reason}")
    limit = budget_of(network, bits) if budget is None else budget
    head = {**asdict(cell), "budget_seconds": limit, "command": _command(cell, budget, threads, device, images)}
    try:
        body = accuracy_run.run_cell(
            cell, place, budget=limit, spend=budget is not None, threads=threads, device=device
        )
    except InputError as error:
        write_results(f"accuracy/{cell.name}", {**head, "failed": str(error)})
        raise click.ClickException(str(error)) from error
    path = write_results(f"accuracy/{cell.name}", {**head, **body})
    click.echo(f"{_outcome(path)}; wrote {path}")


@main.command("all")
@click.option("--networks", default=",".join(NETWORKS), help="Names, comma-separated.  [default: all]")
@click.option("--bits", default=",".join(TABLE_BITS), show_default=True)
@click.option("--methods", default=",".join(METHODS), show_default=True)
@click.option("--seeds", default="0", show_default=True)
@click.option("--budget", type=float, help="Seconds for each cell.  [default: as of run]")
@click.option("--threads", type=click.IntRange(min=1), help="For torch.  [default: all cores]")
@click.option("--device", type=click.Choice(("cpu", "cuda")), default="cpu", show_default=True)
@click.option("--skip-existing", is_flag=True, help="Leave out cells that have a file of results.")
def run_all(
    networks: str,
    bits: str,
    methods: str,
    seeds: str,
    budget: float | None,
    threads: int | None,
    device: str,
    skip_existing: bool,
) -> None:
    """Run every cell of a group, each in a process of its own; one that fails does not stop the others."""
    names = [_known(text, known) for text, known in ((networks, NETWORKS), (bits, BIT_WIDTHS), (methods, METHODS))]
    cells = [
        Cell(network=network, bits=width, method=method, seed=seed)
        for network in names[0]
        for width in names[1]
        for seed in map(int, seeds.split(","))
        for method in names[2]
    ]
    cells = [cell for cell in cells if reason_against(cell) is None]
    if skip_existing:
        cells = [cell for cell in cells if not (RESULTS / f"{cell.name}.json").exists()]
    failed = []
    for position, cell in enumerate(cells, start=1):
        click.echo(f"[{position}/{len(cells)}] {cell.name} ... ", nl=False)
        command = shlex.split(_command(cell, budget, threads, device, None))
        done = subprocess.run([sys.executable, *command[1:]], cwd=PAGE.parent.parent, capture_output=True, text=True)
        if done.returncode == 0:
            click.echo(_outcome(RESULTS / f"{cell.name}.json"))
        else:
            failed.append(cell.name)
            click.echo(f"failed: {(done.stderr.strip().splitlines() or ['without a word'])[-1]}")
    if failed:
        raise click.ClickException(f"{len(failed)} of {len(cells)} cells failed: {', '.join(failed)}")


@main.command()
@click.option("--results", type=click.Path(exists=True, file_okay=False, path_type=Path), default=RESULTS)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=PAGE)
def page(results: Path, out: Path) -> None:
    """Make the page, and its chart beside it, of the cells that were run."""
    from bench.accuracy_chart import draw_chart
    from bench.accuracy_entries import read_entries
    from bench.accuracy_page import build_page

    try:
        entries = read_entries(results)
    except GdfqExportError as error:
        raise click.ClickException(str(error)) from error
    chart = out.with_suffix(".png")
    drawn = draw_chart(entries, chart)
    if not drawn:
        chart.unlink(missing_ok=True)
    out.write_text(build_page(entries, chart=chart.name if drawn else None), encoding="utf-8")
    click.echo(f"wrote {out}: {len(entries)} cells")


def _known(text: str, known: object) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in known:  # type: ignore[operator]
            raise click.UsageError(f"{name!r} is none of {', '.join(known)}")  # type: ignore[arg-type]
    return names


def _command(cell: Cell, budget: float | None, threads: int | None, device: str, images: Path | None) -> str:
    words = ["python", "-m", "bench.accuracy", "run", cell.network, cell.bits, cell.method]
    words += ["--seed", str(cell.seed)]
    words += [] if budget is None else ["--budget", f"{budget:g}"]
    words += [] if threads is None else ["--threads", str(threads)]
    words += [] if device == "cpu" else ["--device", device]
    words += [] if images is None else ["--images", images.name]
    return shlex.join(words)


def _outcome(path: Path) -> str:
    """One line on what a file of results says."""
    body = json.loads(path.read_text(encoding="utf-8"))
    top1 = body["report"]["accuracy"]["top1"]
    return (
        f"{100 * top1['quantized']['value']:.2f} %, drop {top1['drop_pp']:+.2f} "
        f"[{top1['drop_low_pp']:+.2f}, {top1['drop_high_pp']:+.2f}] on {body['scored']['images']:,} images, "
        f"{body['seconds']['to_the_file']:.0f} s, {body['peak_memory_gib']:.1f} GiB"
    )


if __name__ == "__main__":
    main()
