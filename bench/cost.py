"""Seconds, CPU seconds and memory of `gdfq-export quantize` at 224 x 224 and 8 bits, beside `quantize_static`.

    GDFQ_EXPORT_DATA=FOLDER python -m bench.cost [NETWORK...] [--threads 2]

Each is a process of its own, from the start of Python to the written report; `quantize_static` gets 128 images that
are there already. FOLDER holds models/imagenet_mobilenetv2_224.onnx; the ResNets are pytorchcv's with drawn weights
(`usual_networks.py`). Run it on an idle machine: seconds are those of a clock. Writes bench/results/cost.json.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from bench.results_file import FOLDER, write_results

NETWORKS = {"MobileNetV2": "imagenet_mobilenetv2_224", "ResNet-18": "resnet18", "ResNet-50": "resnet50"}
"""What a reader calls them; the names of a file of the evaluation data, or of pytorchcv."""

_IMAGES, _SHAPE = 128, (3, 224, 224)
_SEED = 0


@click.group(invoke_without_command=True)
@click.option("--network", "networks", type=click.Choice(tuple(NETWORKS)), multiple=True, help="[default: all]")
@click.option("--threads", default=2, show_default=True, help="Threads of torch.")
@click.pass_context
def main(context: click.Context, networks: Sequence[str], threads: int) -> None:
    """Measure the networks, and enter the results beside those that are there."""
    if context.invoked_subcommand is not None:
        return
    found = _results()
    with tempfile.TemporaryDirectory() as temporary:
        for name in networks or NETWORKS:
            file = _file(name, Path(temporary))
            found[name] = measure(file, Path(temporary), threads)
            path = write_results("cost", {"seed": _SEED, "networks": found})
            click.echo(f"{name}: {json.dumps(found[name], indent=1)}\nwrote {path}")


def measure(file: Path, folder: Path, threads: int) -> dict[str, Any]:
    """Cost of both, and what gdfq-export's report says of its file."""
    out, report = folder / "out.onnx", folder / "report.json"
    quantize = ["-m", "gdfq_export", "quantize", str(file), "--onnx-out", str(out), "--seed", str(_SEED)]
    ours = _cost([*quantize, "--threads", str(threads)], threads)
    said = json.loads(report.read_text(encoding="utf-8"))
    parity = said["parity"]
    return {
        "threads": threads,
        "gdfq_export": {
            **ours,
            "calibration_images": said["calibration"]["images"],
            "seconds_by_phase": said["seconds_by_phase"],
            "exact": parity["exact"],
            "integers": parity["elements"],
            "images_compared": parity["images"],
        },
        "quantize_static": {**_cost(["-m", "bench.cost", "static", str(file)], threads), "images": _IMAGES},
    }


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
def static(file: Path) -> None:
    """Quantize FILE with `quantize_static`."""
    import torch

    from bench.peers import static_recommended

    images = torch.randn((_IMAGES, *_SHAPE), generator=torch.Generator().manual_seed(_SEED))
    with tempfile.TemporaryDirectory() as temporary:
        static_recommended(file, images, Path(temporary))


def _cost(arguments: Sequence[str], threads: int) -> dict[str, float]:
    """Of one process of Python."""
    started = time.perf_counter()
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    with subprocess.Popen([sys.executable, *arguments], env=environment, stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise click.ClickException(f"{' '.join(arguments)} ended with exit code {process.returncode}")
    return {
        "seconds": round(time.perf_counter() - started, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_memory_gib": round(used.ru_maxrss / 2**20, 2),
    }


def _file(name: str, folder: Path) -> Path:
    """The float network."""
    if name.startswith("ResNet"):
        import onnx

        from bench.usual_networks import load_drawn

        path = folder / f"{NETWORKS[name]}.onnx"
        onnx.save(load_drawn(NETWORKS[name]).original, path)
        return path
    data = os.environ.get("GDFQ_EXPORT_DATA")
    if not data:
        raise click.UsageError("GDFQ_EXPORT_DATA is not set; name the folder with the evaluation networks")
    return Path(data) / "models" / f"{NETWORKS[name]}.onnx"


def _results() -> dict[str, Any]:
    path = FOLDER / "cost.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["networks"] if path.exists() else {}
    return found


if __name__ == "__main__":
    main()
