"""W8A8 without data of real networks that are no CIFAR classifiers, on real images, beside `quantize_static`.

    GDFQ_EXPORT_DATA=FOLDER python -m bench.real_networks NETWORK [--seed 0]

One network a process, so that seconds and memory are its own; writes bench/results/real_networks/NETWORK-seedN.json.
FOLDER holds models/ and other_networks/ with sidecars, imagenet_val/ with labels.csv, and doc_pages/. `quantize_static`
is calibrated on as many real images as gdfq-export made for itself, the first of those that both are scored on.
"""

from __future__ import annotations

import json
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gdfq_export as gq

# isort: split
import click
import numpy as np
import onnx
import torch
from onnx import version_converter
from PIL import Image

from bench.peers import static_recommended
from bench.results_file import write_results
from calib.input_spec import InputSpec
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.sources import load_model
from gdfq_export.jobs.verify.task_figures import class_accuracy, task_figures
from gdfq_export.metrics.coverage import Coverage
from gdfq_export.metrics.parity import ParityResult
from gdfq_export.recipe import DEFAULT_RECIPE, load_recipe
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.tasks.classification.task import Classification
from gdfq_export.tasks.figures import ComparedOutputs
from gdfq_export.tasks.labelled_images import LabelledImages
from gdfq_export.tasks.outputs import OutputArrays

_TURNS = 4
_SHORT_SIDE = 256  # pixels, of a page before it is cropped
_OPSET_OF_CHANNELS = 17  # DequantizeLinear has an axis from 13 on
_BATCH = 4


def turned_pages(folder: Path, spec: InputSpec) -> LabelledImages:
    """Every page turned clockwise by 0, 90, 180 and 270 degrees, its class 0 to 3."""
    side, images = spec.shape[1], []
    for path in sorted(folder.glob("*.jpg")):
        page = Image.open(path).convert("RGB")
        for turn in range(_TURNS):
            turned = page.rotate(-90 * turn, expand=True)
            share = _SHORT_SIDE / min(turned.size)
            small = turned.resize(
                (round(turned.width * share), round(turned.height * share)), Image.Resampling.BILINEAR
            )
            left, top = (small.width - side) // 2, (small.height - side) // 2
            images.append(np.asarray(small.crop((left, top, left + side, top + side))))
    truth = np.arange(len(images), dtype=np.int64) % _TURNS
    return LabelledImages(images=spec.normalize(np.stack(images)), truth=truth, source=f"{folder.name}, turned")


def _as_the_task_reads(folder: Path, model: FloatModel) -> LabelledImages:
    read = model.task.read_data(folder, model.input_spec)
    return LabelledImages(images=read.images, truth=read.truth, source=folder.name)


def _photographs(folder: Path, model: FloatModel) -> LabelledImages:
    return _as_the_task_reads(folder / "imagenet_val", model)


def _pages(folder: Path, model: FloatModel) -> LabelledImages:
    return _as_the_task_reads(folder / "doc_pages", model)


def _turned(folder: Path, model: FloatModel) -> LabelledImages:
    return turned_pages(folder / "doc_pages", model.input_spec)


NETWORKS: dict[str, Callable[[Path, FloatModel], LabelledImages]] = {
    "imagenet_mobilenetv2_224": _photographs,
    "imagenet_mobilenetv2_224_default_export": _photographs,
    "imagenet_mobilenetv1_025_224": _photographs,
    "imagenet_tinydarknet_224": _photographs,
    "doc_orientation_pplcnet_224": _turned,
    "text_detection_dbnet": _pages,
    "doc_layout_picodet_800x608": _pages,
}


@click.command()
@click.argument("network", type=click.Choice(tuple(NETWORKS)))
@click.option("--seed", default=0, show_default=True)
@click.option("--images", type=click.IntRange(min=2), help="Score on the first images only.  [default: all]")
@click.option("--static/--no-static", default=True, show_default=True, help="Also make quantize_static's file.")
def main(network: str, seed: int, images: int | None, static: bool) -> None:
    """Quantize NETWORK with the default recipe, score the file, and enter the result."""
    folder = os.environ.get("GDFQ_EXPORT_DATA")
    if not folder:
        raise click.UsageError("GDFQ_EXPORT_DATA is not set; name the folder with the evaluation networks and images")
    torch.set_num_threads(1)
    for found in measure(Path(folder), network, seed, images=images, static=static):
        path = write_results(f"real_networks/{network}-seed{seed}", found)
    click.echo(f"{json.dumps(found, indent=1)}\nwrote {path}")


def measure(
    folder: Path, network: str, seed: int, *, images: int | None = None, static: bool = True
) -> Iterator[dict[str, Any]]:
    """Everything of one network as JSON data: first without, then with `quantize_static`."""
    path = next(
        file for file in (folder / kind / f"{network}.onnx" for kind in ("models", "other_networks")) if file.exists()
    )
    started = time.perf_counter()
    model = load_model(path)
    recipe = load_recipe(DEFAULT_RECIPE)
    recipe = recipe.model_copy(update={"verify": recipe.verify.model_copy(update={"latency_seconds": 0.0})})
    made = gq.quantize(model, recipe, run=gq.RunContext(seed=seed, device="cpu"))
    seconds, used = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
    real = NETWORKS[network](folder, model)
    real = LabelledImages(images=real.images[:images], truth=_first(real.truth, images), source=real.source)
    expected = _outputs(path.read_bytes(), real)
    parity, coverage = made.report.parity, made.report.coverage
    assert isinstance(parity, ParityResult) and isinstance(coverage, Coverage)
    found = {
        "network": network,
        "seed": seed,
        "images": len(real),
        "of": real.source,
        "calibration_images": made.tuned.images,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_memory_gib": round(used.ru_maxrss / 2**20, 2),
        "exact": parity.exact,
        "integers": parity.elements,
        "layers": [coverage.integer_compute, coverage.integer_compute + len(coverage.float_compute)],
        "figures": _figures(model, real, expected, made.onnx_bytes),
    }
    yield found
    if static:
        yield {**found, "quantize_static": _static(model, path, real, expected, made.tuned.images)}


def _first(truth: Any, images: int | None) -> Any:
    return None if truth is None else truth[:images]


def _outputs(file: bytes, real: LabelledImages) -> OutputArrays:
    return OnnxRuntime().load(file, 1, batch=_BATCH).run_all(real.images)


def _figures(model: FloatModel, real: LabelledImages, expected: OutputArrays, file: bytes) -> dict[str, Any]:
    """What the task says of the file's outputs beside the float network's."""
    names = [value.name for value in onnx.load_from_string(file).graph.output]
    compared = ComparedOutputs(
        images=len(real),
        names=names,
        float_network=expected,
        quantized=_outputs(file, real),
        source=real.source,
        truth=real.truth,
    )
    figures = task_figures(model.found_task, compared)
    found: dict[str, Any] = {
        figure.name: [figure.value, figure.low, figure.high, figure.note] for figure in figures.figures
    }
    if isinstance(model.task, Classification):
        accuracy = class_accuracy(model.task, compared)
        assert not isinstance(accuracy, NotMeasured)
        found |= {"top1": asdict(accuracy.top1), "agreement": asdict(accuracy.agreement)}
    return found


def _static(
    model: FloatModel, path: Path, real: LabelledImages, expected: OutputArrays, calibrated: int
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as temporary:
        network, proto = Path(temporary) / path.name, onnx.load(path)
        if proto.opset_import[0].version < _OPSET_OF_CHANNELS:
            proto = version_converter.convert_version(proto, _OPSET_OF_CHANNELS)
        onnx.save(proto, network)
        file = static_recommended(network, torch.from_numpy(real.images[:calibrated]), Path(temporary))
        return _figures(model, real, expected, file.read_bytes())


if __name__ == "__main__":
    main()
