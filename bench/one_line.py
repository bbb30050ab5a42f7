"""The whole line on real networks: quantize each without data, and put what its report says into one table.

    GDFQ_EXPORT_DATA=FOLDER python -m bench.one_line [NETWORK ...]

FOLDER holds models/NAME.onnx or .pt2 with their sidecars, cifar10_test_dev.npz, and imagenet_val/ with labels.csv.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

import gdfq_export as gq
from bench.results_file import write_results
from calib.samplers import RealSet
from gdfq_export.frontend.sources import load_model
from gdfq_export.recipe import DEFAULT_RECIPE, load_recipe, recipe_sha256

NETWORKS = (
    "cifar10_resnet20.onnx",
    "cifar10_resnet20.pt2",
    "cifar10_resnet20_cy.onnx",
    "cifar10_resnet8_mlperftiny.onnx",
    "imagenet_mobilenetv1_025_224.onnx",
    "imagenet_tinydarknet_224.onnx",
)
IMAGES = {"cifar10": "cifar10_test_dev.npz", "cifar100": "cifar100_mixed_dev.npz", "imagenet": "imagenet_val"}


@click.command()
@click.argument("networks", nargs=-1)
@click.option("--recipe", default=DEFAULT_RECIPE, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Folder to keep files and reports in.")
def main(networks: tuple[str, ...], recipe: str, seed: int, keep: Path | None) -> None:
    """Quantize NETWORKS (file names in models/; all of the list by default) and print one row each."""
    folder = os.environ.get("GDFQ_EXPORT_DATA")
    if not folder:
        raise click.UsageError("GDFQ_EXPORT_DATA is not set; name the folder with the evaluation networks and images")
    with tempfile.TemporaryDirectory() as temporary:
        out = keep or Path(temporary)
        out.mkdir(parents=True, exist_ok=True)
        reports = {}
        for network in networks or NETWORKS:
            reports[network] = run(Path(folder), network, recipe, seed, out)
            _print({network: reports[network]})
    if len(reports) > 1:
        _print(reports)
    digest = recipe_sha256(load_recipe(recipe))
    body = {"recipe": recipe, "recipe_sha256": digest, "seed": seed, "reports": reports}
    name = "one_line" if not networks else "one_line-" + "-".join(networks)
    click.echo(f"wrote {write_results(name, body)}")


def run(folder: Path, network: str, recipe: str, seed: int, out: Path) -> dict[str, Any]:
    """The report of one network as JSON data, and the seconds from loading to the last measurement."""
    started = time.perf_counter()
    model = load_model(folder / "models" / network)
    data = RealSet.load(folder / IMAGES[network.split("_")[0]], model.input_spec, model.num_classes)
    result = gq.quantize(model, recipe, data=data, run=gq.RunContext(seed=seed, device="cpu"))
    result.save(out / f"{network}.quantized.onnx", report=out / f"{network}.report.json")
    seconds = time.perf_counter() - started
    body: dict[str, Any] = json.loads(result.report.to_json().replace(f"{folder}{os.sep}", ""))
    del body["parity"]["tensors"]
    return {"seconds_in_all": seconds, **body}


def _print(reports: dict[str, dict[str, Any]]) -> None:
    table = Table(
        "network", "float", "quantized", "drop pp", "agreement", "bytes / float", "float time / time", "parity",
        "float nodes", "DQ left", "seconds",
    )  # fmt: skip
    for network, report in reports.items():
        top1, coverage, parity = report["accuracy"]["top1"], report["coverage"], report["parity"]
        table.add_row(
            network,
            f"{100 * top1['float_network']['value']:.2f} %",
            f"{100 * top1['quantized']['value']:.2f} %",
            f"{top1['drop_pp']:+.2f} [{top1['drop_low_pp']:+.2f}, {top1['drop_high_pp']:+.2f}]",
            f"{report['accuracy']['agreement']['value']:.4f}",
            f"{report['files']['size_ratio']:.3f}",
            _speedup(report["latency"]),
            f"{parity['differing']} of {parity['elements']:,}" + ("" if parity["exact"] else ", NOT EXACT"),
            str(len(coverage["float_compute"])),
            "\n".join(
                [
                    str(len(coverage["remaining_dequantize"])),
                    *sorted({left["reason"] for left in coverage["remaining_dequantize"]}),
                ]
            ),
            "\n".join(
                [f"{report['seconds_in_all']:.0f}"]
                + [f"{phase} {seconds:.1f}" for phase, seconds in report["seconds_by_phase"].items()]
            ),
        )
    Console(width=200).print(table)


def _speedup(latency: dict[str, Any] | None) -> str:
    if latency is None:
        return "not measured"
    ratio = latency["speedup"]
    return f"{ratio['value']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]"


if __name__ == "__main__":
    main()
