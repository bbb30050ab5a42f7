"""W8A8 without data of networks whose BatchNorm was folded into the weights, beside the same networks that keep it.

    GDFQ_EXPORT_DATA=FOLDER python -m bench.folded_networks run [NETWORK ...] --seeds 0,1,2

FOLDER holds models/NAME.onnx with their sidecars, and the labelled images of `bench.one_line`. Both files of a network
are scored in ONNX Runtime on the same images, so the interval of their difference is a paired one.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gdfq_export as gq

# isort: split
import click
import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from bench import accuracy_cells
from bench.one_line import IMAGES
from bench.results_file import FOLDER, write_results
from calib.samplers import RealSet
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.sources import load_model
from gdfq_export.jobs.network_file import NetworkFile
from gdfq_export.recipe import DEFAULT_RECIPE, Recipe, load_recipe
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from gdfq_export.support.confidence_interval import paired_difference_interval

RESULTS = FOLDER / "folded_networks.json"
NETWORKS = tuple(name for name in accuracy_cells.NETWORKS if name.startswith("cifar"))


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedRun:
    """One network with one seed.

    Attributes:
        network: its name.
        seed: of both runs.
        images: scored.
        float_top1: percent.
        drop_kept: of the file made from the network with BatchNorm, percentage points.
        drop_folded: of the one without.
        difference: of the two drops, with its 95 % interval `low` to `high`.
        low: lower end.
        high: upper end.
        agreement_kept: share of images with the float network's answer, percent.
        agreement_folded: the same of the file made without BatchNorm.
        error_kept: squared error of the logits by their variance, thousandths: what a difference of Top-1 is compared
            with, as it does not hang on the few images near a boundary of two classes.
        error_folded: the same of the file made without BatchNorm.
        exact: whether the integers of both files are those that were simulated.
        seconds: of both runs.
    """

    network: str
    seed: int
    images: int
    float_top1: float
    drop_kept: float
    drop_folded: float
    difference: float
    low: float
    high: float
    agreement_kept: float
    agreement_folded: float
    error_kept: float
    error_folded: float
    exact: bool
    seconds: tuple[float, float]


@click.group()
def main() -> None:
    """Compare networks with and without BatchNorm."""


@main.command()
@click.argument("networks", nargs=-1)
@click.option("--seeds", default="0", show_default=True, help="Comma-separated.")
def run(networks: tuple[str, ...], seeds: str) -> None:
    """Quantize NETWORKS (all by default), as they are and folded, and enter their results."""
    folder = os.environ.get("GDFQ_EXPORT_DATA")
    if not folder:
        raise click.UsageError("GDFQ_EXPORT_DATA is not set; name the folder with the evaluation networks and images")
    for network in networks or NETWORKS:
        for seed in map(int, seeds.split(",")):
            found = measure(Path(folder), network, seed)
            click.echo(row(found))
            entries = {(entry["network"], entry["seed"]): entry for entry in _earlier()}
            entries[network, seed] = asdict(found)
            write_results("folded_networks", {"runs": [entries[key] for key in sorted(entries)]})


def measure(folder: Path, network: str, seed: int) -> FoldedRun:
    """Quantize and score both forms of a network."""
    kept = load_model(folder / "models" / f"{network}.onnx")
    data = RealSet.load(folder / IMAGES[network.split("_")[0]], kept.input_spec, kept.num_classes)
    images, labels = data.images.numpy(), data.labels.numpy()
    with tempfile.TemporaryDirectory() as temporary:
        folded = folded_copy(kept, Path(temporary) / f"{network}_folded.onnx")
        expected = _logits(NetworkFile.of_float(kept), images)
        runs = [_quantized(model, seed, images) for model in (kept, folded)]
    answer = expected.argmax(axis=1)
    right, kept_right, folded_right = (logits.argmax(axis=1) == labels for logits in (expected, runs[0][0], runs[1][0]))
    agreements = [100 * float((logits.argmax(axis=1) == answer).mean()) for logits, _, _ in runs]
    errors = [1000 * float(np.square(logits - expected).mean() / expected.var()) for logits, _, _ in runs]
    low, high = paired_difference_interval(
        int((kept_right & ~folded_right).sum()), int((folded_right & ~kept_right).sum()), len(labels)
    )
    drops = [100 * float(right.mean() - each.mean()) for each in (kept_right, folded_right)]
    return FoldedRun(
        network=network,
        seed=seed,
        images=len(labels),
        float_top1=100 * float(right.mean()),
        drop_kept=drops[0],
        drop_folded=drops[1],
        difference=drops[1] - drops[0],
        low=100 * low,
        high=100 * high,
        agreement_kept=agreements[0],
        agreement_folded=agreements[1],
        error_kept=errors[0],
        error_folded=errors[1],
        exact=all(exact for _, exact, _ in runs),
        seconds=(round(runs[0][2], 1), round(runs[1][2], 1)),
    )


def folded_copy(model: FloatModel, path: Path) -> FloatModel:
    """The network with BatchNorm folded, read from `path`, where it is written."""
    onnx.save(ir.to_proto(model.folded), path)
    spec = model.input_spec
    return load_model(path, scale=spec.scale, mean=spec.mean, std=spec.std)


def _quantized(model: FloatModel, seed: int, images: NDArray[np.float32]) -> tuple[NDArray[np.float32], bool, float]:
    started = time.perf_counter()
    made = gq.quantize(model, _recipe(), run=gq.RunContext(seed=seed, device="cpu"))
    seconds = time.perf_counter() - started
    return _logits(made.file, images), bool(getattr(made.report.parity, "exact", False)), seconds


def _recipe() -> Recipe:
    """The default; what is measured behind the written file is shortened, which does not change it."""
    recipe = load_recipe(DEFAULT_RECIPE)
    verify = recipe.verify.model_copy(update={"agreement_images": 64, "parity_images": 64, "latency_seconds": 0.0})
    return recipe.model_copy(update={"verify": verify})


def _logits(file: NetworkFile, images: NDArray[np.float32]) -> NDArray[np.float32]:
    return OnnxRuntime().load(file.data, 1).run(images).reshape(len(images), -1)


def row(found: FoldedRun) -> str:
    """One line for people."""
    return (
        f"{found.network:28} seed {found.seed} float {found.float_top1:.2f} drop {found.drop_kept:+.2f} "
        f"folded {found.drop_folded:+.2f}, difference {found.difference:+.2f} [{found.low:+.2f}, {found.high:+.2f}], "
        f"agreement {found.agreement_kept:.1f} {found.agreement_folded:.1f}, "
        f"error {found.error_kept:.2f} {found.error_folded:.2f} "
        f"{'exact' if found.exact else 'NOT EXACT'} {found.seconds[0]:.0f} + {found.seconds[1]:.0f} s"
    )


def _earlier() -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads(RESULTS.read_text(encoding="utf-8"))["runs"] if RESULTS.exists() else []
    return entries


if __name__ == "__main__":
    main()
