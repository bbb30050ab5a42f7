"""Integer coverage of common networks: every network x target x bits, one row each.

    python -m bench.coverage run --networks resnet18,mobilenetv2_w1 --targets ort-cpu,tensorrt
    python -m bench.coverage page

Each cell is a run at 224 x 224 on few images of noise: which convolutions and matrix products the
plan leaves in float, which the runtime runs in float, what is left of DequantizeLinear, whether every integer is the
simulated one (where a target is exact) or the answers are (where it is not), and whether `onnx.checker` accepts the
file. `run` writes bench/results/coverage/NETWORK.json and keeps what that file has of other cells.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import onnx
import torch

import gdfq_export as gq
from bench.results_file import FOLDER, write_results
from bench.usual_networks import USUAL_NETWORKS, load_drawn
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs.result import Result
from gdfq_export.lint.tensorrt_rules import tensorrt_findings
from gdfq_export.recipe import Bits, Recipe, load_recipe
from gdfq_export.recipe.recipe import Verify
from gdfq_export.targets import TARGETS

RESULTS = FOLDER / "coverage"
PAGE = FOLDER.parent.parent / "docs" / "coverage.md"
IMAGES = 8

BITS: dict[str, Bits] = {
    "W8A8": Bits(),
    "W4A8": Bits(weights=4),
    "W4A4": Bits(weights=4, activations=4),
    "mixed": Bits(weights=4, activations=6, layers={"*1*": {"weights": 8, "activations": 8}}),  # type: ignore[dict-item]
}
"""Grids; `mixed` gives every layer with a 1 in its name 8 bits among weights of 4."""

_EXCEPTIONS = 4  # listed for each network
_COMPUTE = ("Conv", "ConvTranspose", "Gemm", "MatMul")


@click.group()
def main() -> None:
    """Run cells of the coverage table, and make its page."""


@main.command()
@click.option("--networks", help="Names in pytorchcv, comma-separated.  [default: all]")
@click.option("--targets", default=",".join(TARGETS), show_default=True)
@click.option("--bits", default=",".join(BITS), show_default=True)
@click.option("--threads", type=click.IntRange(min=1), help="For torch.  [default: all cores]")
@click.option("--skip-existing", is_flag=True)
def run(networks: str | None, targets: str, bits: str, threads: int | None, skip_existing: bool) -> None:
    """Quantize networks for targets, and measure what came out."""
    if threads is not None:
        torch.set_num_threads(threads)
    for name in list(USUAL_NETWORKS.values()) if networks is None else networks.split(","):
        cells = _cells_before(RESULTS / f"{name}.json")
        wanted = [(target, grid) for target in targets.split(",") for grid in bits.split(",")]
        missing = [cell for cell in wanted if not (skip_existing and "/".join(cell) in cells)]
        if not missing:
            continue
        model = load_drawn(name)
        for target, grid in missing:
            facts = run_cell(model, target, BITS[grid])
            cells[f"{target}/{grid}"] = facts
            click.echo(f"{name} {target} {grid}: {_summary(facts)} ({facts['seconds']:.0f} s)")
            write_results(f"coverage/{name}", {"network": name, "images": IMAGES, "seed": 0, "cells": cells})


def run_cell(model: FloatModel, target: str, bits: Bits) -> dict[str, Any]:
    """Facts of one file."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "quantized.onnx"
        result = quantize_quickly(model, target, bits, out)
        onnx.checker.check_model(out, full_check=True)
        findings = (
            [finding.message for finding in tensorrt_findings(onnx.load(out))]
            if TARGETS[target].backend == "tensorrt"
            else []
        )
    report = json.loads(result.report.to_json())
    coverage, parity, simulation = report["coverage"], report["parity"], report["simulation"]
    return {
        "in_float_by_plan": [
            f"{node.op_type} {node.node}: {node.reason}"
            for node in result.plan.nodes
            if node.kernel is None and node.op_type in _COMPUTE
        ],
        "runtime": None if coverage is None else coverage["runtime"],
        "integer_compute": None if coverage is None else coverage["integer_compute"],
        "float_compute": None
        if coverage is None
        else [f"{node['op_type']} {node['name']}" for node in coverage["float_compute"]],
        "dequantize_left": None if coverage is None else [left["reason"] for left in coverage["remaining_dequantize"]],
        "coverage_missing": report["reasons"].get("coverage"),
        "parity": None
        if parity is None
        else {key: parity[key] for key in ("exact", "differing", "elements", "images")},
        "simulation": None
        if simulation is None
        else {"agreement": simulation["top1"]["value"], "rms_logit_error": simulation["rms_logit_error"]},
        "lint": findings,
        "size_ratio": report["files"]["size_ratio"],
        "seconds": time.perf_counter() - started,
    }


def quantize_quickly(model: FloatModel, target: str, bits: Bits, out: Path) -> Result:
    """A file of believable ranges, verified on few images."""
    return gq.quantize(model, recipe_for(target, bits), out, run=gq.RunContext(device="cpu"))


def recipe_for(target: str, bits: Bits) -> Recipe:
    """The quickest recipe that gives believable ranges."""
    recipe = load_recipe("w8a8-ort-cpu")
    return recipe.model_copy(
        update={
            "target": target,
            "bits": bits,
            "data": recipe.data.model_copy(update={"method": "noise", "images": IMAGES}),
            "calibration": recipe.calibration.model_copy(update={"weights": "minmax", "outliers": None}),
            "tuning": recipe.tuning.model_copy(update={"rounding": False, "bias_correction": "none"}),
            "verify": Verify(agreement_images=IMAGES, parity_images=IMAGES, latency_seconds=0),
        }
    )


def _cells_before(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"] if path.exists() else {}


def _summary(facts: dict[str, Any]) -> str:
    if facts["integer_compute"] is None:
        words = "layers not known"
    else:
        words = f"{facts['integer_compute']} integer"
        if facts["float_compute"]:
            words += f", {len(facts['float_compute'])} float"
        if facts["dequantize_left"]:
            words += f", {len(facts['dequantize_left'])} DQ left"
    if facts["parity"] is not None:
        words += ", exact" if facts["parity"]["exact"] else f", {facts['parity']['differing']} INTEGERS DIFFER"
    elif facts["simulation"] is not None:
        words += f", logits {facts['simulation']['rms_logit_error']:.1g} from the simulation"
    if facts["lint"]:
        words += f", {len(facts['lint'])} findings"
    return words


@main.command()
def page() -> None:
    """Make docs/coverage.md of what was run."""
    names = {name: title for title, name in USUAL_NETWORKS.items()}
    bodies = {
        name: json.loads(path.read_text(encoding="utf-8"))
        for name in names
        if (path := RESULTS / f"{name}.json").exists()
    }
    parts = [_HEAD]
    for target in TARGETS:
        columns = [grid for grid in BITS if any(f"{target}/{grid}" in body["cells"] for body in bodies.values())]
        if not columns:
            continue
        parts += [f"## {target}", "", f"{TARGETS[target].description}.", ""]
        parts += ["| network | " + " | ".join(columns) + " |", "| --- |" + " --- |" * len(columns)]
        for name, body in bodies.items():
            cells = [body["cells"].get(f"{target}/{grid}") for grid in columns]
            if not any(cells):
                continue
            texts = ["not run" if cell is None else _summary(cell) for cell in cells]
            parts.append(f"| {names[name]} | " + " | ".join(texts) + " |")
        parts += ["", *_exceptions(target, columns, bodies, names)]
    PAGE.write_text("\n".join(parts).rstrip() + "\n", encoding="utf-8")
    click.echo(f"wrote {PAGE}")


def _exceptions(target: str, columns: list[str], bodies: dict[str, Any], names: dict[str, str]) -> list[str]:
    """Every layer in float and every DequantizeLinear that is left, with its reason, once.

    Of a target that is warned of, the warning.
    """
    if warning := TARGETS[target].warning:
        return [f"{warning[0].upper()}{warning[1:]}. Counts are of ONNX Runtime.", ""]
    lines = []
    for name, body in bodies.items():
        texts: dict[str, None] = {}
        for grid in columns:
            cell = body["cells"].get(f"{target}/{grid}") or {}
            texts |= dict.fromkeys((*cell.get("in_float_by_plan", ()), *(cell.get("float_compute") or ())))
            texts |= dict.fromkeys(cell.get("lint", ()))
            texts |= dict.fromkeys(f"DequantizeLinear {reason}" for reason in cell.get("dequantize_left") or ())
            if cell.get("coverage_missing"):
                texts[cell["coverage_missing"]] = None
        lines += [f"* {names[name]}: {text}" for text in list(texts)[:_EXCEPTIONS]]
        if len(texts) > _EXCEPTIONS:
            lines.append(f"* {names[name]}: {len(texts) - _EXCEPTIONS} more, in the file of results")
    return [*lines, ""] if lines else []


_HEAD = f"""# Coverage

How many layers of common networks run on integers, in the runtime of each target. The networks are those of pytorchcv
at 224 x 224, with random weights and BatchNorm statistics that match them. Only convolutions and matrix products are
counted, in the runtime's own graph: ONNX Runtime's optimised graph, OpenVINO's execution graph, the builder's log of
TensorRT-RTX. *Exact* means that every integer of every quantized tensor on {IMAGES} images equals the simulation.
*Mixed* has 8 bits for every layer with a 1 in its name, and 4-bit weights and 6-bit activations for the others.
Layers in float are listed below each table, with the reason. `python -m bench.coverage page` makes this page.
"""


if __name__ == "__main__":
    main()
