"""`verify` on files of other tools: accuracy, coverage, speed and gates of each tool's file of one network.

    GDFQ_EXPORT_DATA=FOLDER python -m bench.other_tools run --images calibration.npz --ours ours.onnx
    python -m bench.other_tools page

All tools are calibrated on the same images, of `gdfq-export synthesize`. ModelOpt needs other versions of ONNX and
ONNX Runtime than this project; `--file TITLE=PATH` takes a file that was made elsewhere, on the first images of the
same set. Every file is measured in ONNX Runtime and in OpenVINO. Writes bench/results/other_tools.json; `page` makes
docs/other-tools.md.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import torch

import gdfq_export as gq
from bench.peers import nncf_onnx_file, static_default, static_recommended
from bench.results_file import FOLDER, write_results
from calib.samplers import RealSet
from calib.synthetic_set import SyntheticSet
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.sources import load_model
from gdfq_export.metrics.coverage import Coverage
from gdfq_export.metrics.latency import Latency
from gdfq_export.metrics.parity import ParityResult
from gdfq_export.report.report import Report
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.tasks.classification.accuracy import Accuracy

NETWORK = "cifar10_resnet20"
PAGE = FOLDER.parent.parent / "docs" / "other-tools.md"
TARGETS = {"ONNX Runtime": "ort-cpu", "OpenVINO": "openvino"}
GATES: dict[str, float | bool] = {
    "require-rules": True,
    "max-top1-drop-pp": 1.0,
    "min-integer-coverage": 1.0,
    "max-latency-ratio": 1.0,
}
_OBSERVED = 512


@click.group()
def main() -> None:
    """Verify files of several tools, and make the page."""


@main.command()
@click.option("--images", type=click.Path(exists=True, path_type=Path), required=True, help="For all tools to observe.")
@click.option("--ours", type=click.Path(exists=True, path_type=Path), required=True, help="Our file, for ort-cpu.")
@click.option("--file", "files", multiple=True, metavar="TITLE=PATH", help="A file of a tool that is not here.")
def run(images: Path, ours: Path, files: tuple[str, ...]) -> None:
    """Make the files, and verify each in every runtime."""
    torch.set_num_threads(1)
    data = os.environ["GDFQ_EXPORT_DATA"]
    source = Path(data) / "models" / f"{NETWORK}.onnx"
    network = load_model(str(source))
    scored = Path(data) / "cifar10_test_dev.npz"
    labelled = RealSet.load(scored, network.input_spec, network.num_classes)
    labelled = RealSet(images=labelled.images, labels=labelled.labels, origin=scored.name)
    observed = torch.from_numpy(SyntheticSet.load(images).images[:_OBSERVED])
    given = dict(file.split("=", 1) for file in files)
    with tempfile.TemporaryDirectory(prefix="gdfq-export-") as folder:
        floating = Path(folder) / "float.onnx"
        floating.write_bytes(network.original.SerializeToString())
        found = {
            "gdfq-export": ours,
            "quantize_static, default": static_default(floating, observed, Path(folder)),
            "quantize_static, recommended": static_recommended(floating, observed, Path(folder)),
            "NNCF, ONNX": nncf_onnx_file(floating, observed, Path(folder)),
            **{title: Path(path) for title, path in given.items()},
        }
        rows: dict[str, dict[str, Any]] = {}
        for title, file in found.items():
            for runtime, target in TARGETS.items():
                report = _verify(network, file, target, labelled)
                rows[f"{title} in {runtime}"] = _row(title, runtime, report)
                click.echo(f"{title} in {runtime}: {rows[f'{title} in {runtime}']['gates']}")
    body = {"network": NETWORK, "observed": len(observed), "images": len(labelled), "seed": 0, "rows": rows}
    click.echo(f"wrote {write_results('other_tools', body)}")


def _verify(network: FloatModel, file: Path, target: str, labelled: RealSet) -> Report:
    timing = gq.Timing(seconds=10.0)
    return gq.verify(file, network, data=labelled, gates=GATES, options=gq.VerifyOptions(target=target, timing=timing))


def _row(tool: str, runtime: str, report: Report) -> dict[str, Any]:
    accuracy, coverage, latency, parity = report.accuracy, report.coverage, report.latency, report.parity
    assert isinstance(accuracy, Accuracy) and isinstance(coverage, Coverage) and isinstance(latency, Latency)
    top1 = accuracy.top1
    return {
        "tool": tool,
        "runtime": runtime,
        "top1": top1.quantized.value,
        "drop_pp": [top1.drop_pp, top1.drop_low_pp, top1.drop_high_pp],
        "integer": coverage.integer_compute,
        "layers": coverage.integer_compute + len(coverage.float_compute),
        "speed": asdict(latency.speedup),
        "size_ratio": report.files.size_ratio,
        "parity": parity.exact if isinstance(parity, ParityResult) else None,
        "parity_missing": parity.reason if isinstance(parity, NotMeasured) else "",
        "rules": sorted({f"{finding.rule}: {finding.consequence}" for finding in report.findings}),
        "gates": {gate.name: {"verdict": gate.verdict.value, "message": gate.message} for gate in report.gates},
    }


@main.command()
def page() -> None:
    """Make docs/other-tools.md of what was run."""
    body = json.loads((FOLDER / "other_tools.json").read_text(encoding="utf-8"))
    rows = body["rows"].values()
    lines = [
        _HEAD.format(observed=body["observed"], images=body["images"], network=body["network"]),
        "| file | runtime | drop, 95 % interval | layers on integers | times float's speed | bytes / float "
        "| integers equal the simulation | gates |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *map(_line, rows),
        "",
        "Messages of the gates that fail:",
        "",
    ]
    for row in rows:
        failed = {name: gate for name, gate in row["gates"].items() if gate["verdict"] != "passed"}
        for name, gate in failed.items():
            lines.append(f"* {row['tool']} in {row['runtime']}: {name} {gate['verdict']}: {gate['message']}")
    lines += ["", "Why integers are not compared with a simulation:", ""]
    for row in rows:
        if row["parity_missing"] and row["runtime"] == "ONNX Runtime":
            lines.append(f"* {row['tool']}: {row['parity_missing']}")
    networks = Path(__file__).with_name("other_tools_networks.md").read_text(encoding="utf-8")
    PAGE.write_text("\n".join(lines).rstrip() + "\n" + networks, encoding="utf-8")
    click.echo(f"wrote {PAGE}")


def _line(row: dict[str, Any]) -> str:
    drop, low, high = row["drop_pp"]
    speed = row["speed"]
    parity = {True: "all", False: "not all", None: "not compared"}[row["parity"]]
    missed = [name for name, gate in row["gates"].items() if gate["verdict"] != "passed"]
    cells = [
        row["tool"],
        row["runtime"],
        f"{drop:+.2f} [{low:+.2f}, {high:+.2f}]",
        f"{row['integer']} of {row['layers']}",
        f"{speed['value']:.2f} [{speed['low']:.2f}, {speed['high']:.2f}]",
        f"{row['size_ratio']:.3f}",
        parity,
        f"not passed: {', '.join(missed)}" if missed else "passed",
    ]
    return f"| {' | '.join(cells)} |"


_HEAD = """# Files of other tools

Results of `gdfq-export verify` on W8A8 files of {network}: {images:,} labelled images, one thread. All tools were
calibrated on the same {observed} synthetic images. The file of gdfq-export is for `ort-cpu` in both runtimes. Gates:
no rule broken, a drop of at most 1 point, every convolution and matrix product on integers, no slower than float.
NNCF writes files for OpenVINO and ModelOpt for TensorRT; the other rows show what happens in a runtime that a file
was not made for. `python -m bench.other_tools page` makes this page.
"""


if __name__ == "__main__":
    main()
