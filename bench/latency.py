"""Latency of our files against the peers' and against float, on one thread, interleaved in one process.

    GDFQ_EXPORT_DATA=FOLDER python -m bench.latency run --networks resnet18,cifar10_resnet20 --batches 1,8
    python -m bench.latency page

Networks of pytorchcv at 224 x 224 have weights that were drawn (see `bench.usual_networks`); cifar10_resnet20 is
FOLDER/models/cifar10_resnet20.onnx. Every file is calibrated on the same few images. Absolute times drift with what
else the machine does; ratios are taken round by round (see `gdfq_export.metrics.latency`). `run` writes
bench/results/latency/NETWORK-batchN.json.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import torch
from torch import nn

from bench.coverage import BITS, IMAGES, quantize_quickly
from bench.latency_chart import draw_latency
from bench.peers import nncf_file, static_default, static_recommended
from bench.results_file import FOLDER, write_results
from bench.usual_networks import USUAL_NETWORKS, drawn_network, load_drawn
from gdfq_export.errors import BackendUnavailable
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.sources import load_model
from gdfq_export.metrics.coverage import measure_coverage
from gdfq_export.metrics.latency import interleave, summarize, versus
from gdfq_export.metrics.resources import peak_memory_bytes
from gdfq_export.recipe import load_recipe
from gdfq_export.runtimes import BACKENDS
from gdfq_export.support.not_measured import NotMeasured

RESULTS = FOLDER / "latency"
PAGE = FOLDER.parent.parent / "docs" / "latency.md"
REAL = "cifar10_resnet20"
NETWORKS = ("resnet18", "resnet50", "mobilenetv2_w1", "shufflenet_g1_w1", "mobilenetv3_small_w1", REAL)
FLOAT = {"onnxruntime": "float, ONNX Runtime", "openvino": "float, OpenVINO", "tensorrt": "float, TensorRT"}
OURS = {
    "onnxruntime": "ours W8A8, ort-cpu",
    "openvino": "ours W8A8, openvino",
    "tensorrt": "ours W8A8, tensorrt",
}
OURS_BESIDE = {
    "onnxruntime": (("ort-cpu", "W4A8"), ("ort-cpu", "W4A4"), ("portable", "W8A8")),
    "openvino": (("openvino", "W4A4"),),
    "tensorrt": (("tensorrt", "W4A4"),),
}
BITS_OF_OURS = {**BITS, "W4A8": load_recipe("w4a8-ort-cpu").bits}
PEERS = {"quantize_static, default": static_default, "quantize_static, recommended": static_recommended}
NNCF = "NNCF, OpenVINO"
_FEWEST_ROUNDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A file and the runtime it runs in."""

    file: Path
    backend: str


@click.group()
def main() -> None:
    """Time files, and make the page."""


@main.command()
@click.option("--networks", default=",".join(NETWORKS), show_default=True)
@click.option("--batches", default="1,8", show_default=True)
@click.option("--threads", default=1, show_default=True)
@click.option("--seconds", default=30.0, show_default=True, help="For each network and batch, warm-up on top.")
def run(networks: str, batches: str, threads: int, seconds: float) -> None:
    """Make all files of each network, and time them against each other."""
    torch.set_num_threads(threads)
    for name in networks.split(","):
        model = network_of(name)
        with tempfile.TemporaryDirectory(prefix="gdfq-export-") as folder:
            contestants, missing = made_contestants(name, model, Path(folder), tuple(OURS_BESIDE))
            for batch in map(int, batches.split(",")):
                rows, not_here = timed(contestants, model, batch, threads, seconds)
                body = {"network": name, "batch": batch, "threads": threads, "seed": 0, "calibration_images": IMAGES}
                path = write_results(
                    f"latency/{name}-batch{batch}",
                    {**body, "input": model.input_spec.shape, "rows": rows, "missing": {**missing, **not_here}},
                )
                for title, row in rows.items():
                    ratio = row["speed"]["value"]
                    click.echo(
                        f"{name} batch {batch} {title}: {ratio:.2f} x {row['unit']}, {row['latency']['p50_ms']:.2f} ms"
                    )
                click.echo(f"wrote {path}")


def network_of(name: str) -> FloatModel:
    """A network of `NETWORKS`."""
    return load_model(_of_the_data(f"{REAL}.onnx")) if name == REAL else load_drawn(name)


def _torch_network(name: str) -> nn.Module | torch.export.ExportedProgram:
    return torch.export.load(_of_the_data(f"{REAL}.pt2")) if name == REAL else drawn_network(name)


def _of_the_data(file: str) -> Path:
    folder = os.environ.get("GDFQ_EXPORT_DATA")
    if not folder:
        raise click.UsageError(f"GDFQ_EXPORT_DATA is not set; {REAL} is read from there")
    return Path(folder) / "models" / file


def made_contestants(
    name: str, model: FloatModel, folder: Path, backends: Sequence[str]
) -> tuple[dict[str, Contestant], dict[str, str]]:
    """All files for these runtimes, those of a runtime together; and why a peer made none."""
    floating = folder / "float.onnx"
    floating.write_bytes(model.original.SerializeToString())
    images = torch.randn(IMAGES, *model.input_spec.shape, generator=torch.Generator().manual_seed(0))
    peers: dict[str, dict[str, Callable[[], Path]]] = {
        "onnxruntime": {title: partial(make, floating, images, folder) for title, make in PEERS.items()},
        "openvino": {NNCF: lambda: nncf_file(_torch_network(name), images, folder)},
    }
    found: dict[str, Contestant] = {}
    missing: dict[str, str] = {}
    for backend in backends:
        beside = OURS_BESIDE[backend]
        found[FLOAT[backend]] = Contestant(file=floating, backend=backend)
        for target, grid in ((OURS[backend].partition(", ")[2], "W8A8"), *beside):
            found[f"ours {grid}, {target}"] = Contestant(file=_ours(model, target, grid, folder), backend=backend)
        for title, make_file in peers.get(backend, {}).items():
            try:
                found[title] = Contestant(file=make_file(), backend=backend)
            except Exception as error:  # whatever a peer raises is its row in the table
                missing[title] = f"no file: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return found, missing


def _ours(model: FloatModel, target: str, grid: str, folder: Path) -> Path:
    out = folder / f"{target}-{grid}.onnx"
    quantize_quickly(model, target, BITS_OF_OURS[grid], out)
    return out


def timed(
    contestants: dict[str, Contestant], model: FloatModel, batch: int, threads: int, seconds: float
) -> tuple[dict[str, Any], dict[str, str]]:
    """A row for each file that runs here; and why the others do not."""
    images = torch.randn(batch, *model.input_spec.shape, generator=torch.Generator().manual_seed(1)).numpy()
    timers: dict[str, Callable[[], float]] = {}
    facts: dict[str, dict[str, Any]] = {}
    missing: dict[str, str] = {}
    for title, contestant in contestants.items():
        started = time.perf_counter()
        try:
            session = BACKENDS[contestant.backend].load(contestant.file, threads)
        except BackendUnavailable as error:
            missing[title] = f"not measured: {error}"
            continue
        session.run(images)
        loaded = time.perf_counter() - started
        coverage = measure_coverage(session.describe())
        facts[title] = {
            "bytes": _bytes(contestant.file),
            "load_seconds": loaded,
            "peak_memory_mib": _peak_memory(contestant, batch, model.input_spec.shape),
            "integer_compute": coverage.integer_compute,
            "float_compute": len(coverage.float_compute),
            "dequantize_left": len(coverage.remaining_dequantize),
        }
        timers[title] = session.timer(images)
    samples = interleave(timers, budget_seconds=seconds, min_rounds=_FEWEST_ROUNDS)
    rows = {}
    for title, own in facts.items():
        unit, ours = (titles[contestants[title].backend] for titles in (FLOAT, OURS))
        rows[title] = {
            **own,
            "unit": unit,
            "latency": asdict(summarize(samples[title])),
            "speed": asdict(versus(samples[unit], samples[title])),
            "ours_faster_by": asdict(versus(samples[title], samples[ours])),
        }
    return rows, missing


def _bytes(file: Path) -> int:
    """With the weights that OpenVINO keeps beside its .xml."""
    weights = file.with_suffix(".bin")
    return file.stat().st_size + (weights.stat().st_size if file.suffix == ".xml" and weights.exists() else 0)


def _peak_memory(contestant: Contestant, batch: int, shape: tuple[int, ...]) -> float | None:
    """MiB of a process that loads the file and runs one batch, less those of one that only imports the runtime."""
    peaks = [peak_memory_bytes(contestant.backend, file, (batch, *shape)) for file in (contestant.file, None)]
    used, idle = (None if isinstance(peak, NotMeasured) else peak for peak in peaks)
    return None if used is None or idle is None else (used - idle) / 2**20


@main.command()
def page() -> None:
    """Make docs/latency.md and its charts of what was run."""
    bodies = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))]
    bodies = [with_gpu(body, _gpu_results()) for body in bodies]
    bodies.sort(key=lambda body: (NETWORKS.index(body["network"]), body["batch"]))
    titles = {name: title for title, name in USUAL_NETWORKS.items()}
    parts = [_HEAD]
    if bodies and draw_latency(bodies, titles, PAGE.with_suffix(".png")):
        parts.append("![Speed over float by file, networks and batches](latency.png)\n")
    for body in bodies:
        parts += [f"## {titles.get(body['network'], body['network'])}, batch {body['batch']}", "", *_table(body), ""]
    PAGE.write_text("\n".join(parts).rstrip() + "\n", encoding="utf-8")
    click.echo(f"wrote {PAGE}")


def _gpu_results() -> dict[str, Any]:
    path = FOLDER / "gpu.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"sections": {}}


def with_gpu(body: dict[str, Any], measured: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of one network and batch with the rows that `bench.gpu` has measured of it."""
    prefix = f"{body['network']} batch {body['batch']}, "
    rows = [row for section in measured["sections"].values() for row in section["rows"].items()]
    found = {title.removeprefix(prefix): row for title, row in rows if title.startswith(prefix)}
    missing = {title: reason for title, reason in body["missing"].items() if title not in found}
    named = {f"{title}, {measured['gpu']['name']}": row for title, row in found.items()}
    return {**body, "rows": {**body["rows"], **named}, "missing": missing}


def _table(body: dict[str, Any]) -> list[str]:
    lines = [
        "| file | times float's speed | ours is faster by | p50 ms | MB | loads in s | memory MiB "
        "| integer / float / DQ left |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for title, row in body["rows"].items():
        layers = f"{row['integer_compute']} / {row['float_compute']} / {row['dequantize_left']}"
        lines.append(
            f"| {title} | {_ratio(row['speed'])} | {_ratio(row['ours_faster_by'])} | {row['latency']['p50_ms']:.2f} "
            f"| {row['bytes'] / 1e6:.2f} | {row['load_seconds']:.2f} | {_memory(row)} | {layers} |"
        )
    lines += [f"| {title} | {reason} |  |  |  |  |  |  |" for title, reason in body["missing"].items()]
    return lines


def _memory(row: dict[str, Any]) -> str:
    return "not measured" if row["peak_memory_mib"] is None else f"{row['peak_memory_mib']:.0f}"


def _ratio(ratio: dict[str, Any]) -> str:
    return f"{ratio['value']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]"


_HEAD = """# Latency

All files of a network are timed in one process, interleaved, on one thread. In every round each file runs a block of
about 20 ms (3 to 25 runs), and the round gives one ratio of block medians. The tables have the median ratio and its
95 % interval. *Times float's speed* compares with the float network in the same runtime (OpenVINO in float32; its
default on this CPU is bfloat16). *Ours is faster by* is the file's time divided by that of our W8A8 file for the same
runtime: above 1, ours is faster. Networks at 224 x 224 have random weights, cifar10_resnet20 has trained ones. Every
file is calibrated on the same number of images. W4A8 has the bits of the recipe `w4a8-ort-cpu`. NNCF quantizes the
model that OpenVINO converts
from the torch network. Memory is the peak of a process that loads the file and runs one batch, minus that of a process
that only imports the runtime. `python -m bench.latency page` makes this page.
"""


if __name__ == "__main__":
    main()
