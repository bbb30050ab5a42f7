"""One cell of the accuracy table, from the network to its file of results.

The score is the one in the pipeline's report: that of the exported file in ONNX Runtime. It is taken on the second half
of a file of images; whatever was chosen while this project was built was chosen on the first.
"""

from __future__ import annotations

import json
import os
import resource
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

import gdfq_export as gq
from bench.accuracy_cells import REAL_IMAGES, SCORED_IMAGES, Cell, recipe_of
from calib.samplers import RealSet
from calib.set_statistics import measure_set
from gdfq_export.cli.output.report_tables import print_plan
from gdfq_export.errors import InputError
from gdfq_export.frontend.demo import held_out_set
from gdfq_export.frontend.demo.digits import training_digits
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.sources import load_model
from gdfq_export.jobs.compare.run_cell import CellRun, CellSettings, quantize_cell
from gdfq_export.jobs.given_inputs import labelled_of
from gdfq_export.recipe import recipe_sha256
from gdfq_export.support.progress import SilentProgress

__all__ = ["Place", "load_network", "print_dry_run", "real_images", "run_cell", "scored_images", "unscored_images"]

_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_MEASURED_IMAGES = 512
_LEFT_OUT = ("machine", "versions", "agreement", "latency", "reasons")  # stand elsewhere in the file, or say nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where networks and images lie: `folder` is that of the evaluation data, `images` those of another network."""

    folder: Path | None
    images: Path | None

    def of(self, *parts: str) -> Path:
        """A path in the folder of the evaluation data."""
        if self.folder is None:
            raise InputError("GDFQ_EXPORT_DATA is not set; name the folder with the evaluation networks and images")
        return self.folder.joinpath(*parts)


def run_cell(
    cell: Cell, place: Place, *, budget: float, spend: bool, threads: int | None, device: str
) -> dict[str, Any]:
    """Quantize and score; everything worth keeping as JSON data.

    Args:
        cell: what to run.
        place: where its network and images are.
        budget: seconds for everything up to the written file; GDFQ and ZeroQ take as many steps as fit.
        spend: whether ours and real images spend it too; without it they have the recipe's own numbers.
        threads: for torch; None leaves them.
        device: torch device.

    Raises:
        InputError: the cell cannot be run.
    """
    started = time.perf_counter()
    if threads is not None:
        torch.set_num_threads(threads)
    model = load_network(cell, place)
    scored, scored_facts = scored_images(cell, place, model)
    real = real_images(cell, place, model) if cell.method == "real" else None
    loading = time.perf_counter() - started
    settings = CellSettings(
        method=cell.method,
        recipe=recipe_of(cell, model.input_spec.shape),
        scored=labelled_of(scored, model),
        real=real,
        budget=budget - loading,
        spend=spend,
        seed=cell.seed,
        device=device,
    )
    ran = quantize_cell(model, settings, name=f"{cell.name}.onnx", progress=SilentProgress())
    seconds = loading + ran.seconds
    return {
        "seconds": {"to_the_file": seconds, "with_verification": seconds + ran.seconds_measuring},
        "peak_memory_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "threads": torch.get_num_threads(),
        "device": device,
        "scored": scored_facts,
        "real_images": None if real is None else {"file": real.origin, "images": len(real)},
        "cut": None if ran.cut is None else asdict(ran.cut),
        "set": _measure(model, ran, device) if cell.method in ("ours", "real") else None,
        "recipe": ran.recipe.model_dump(mode="json"),
        "recipe_sha256": recipe_sha256(ran.recipe),
        "report": _plain_report(ran.result.report.to_json(), place),
    }


def load_network(cell: Cell, place: Place) -> FloatModel:
    """The network of a cell: the demo, a file of the evaluation data, or whatever else `load_model` reads."""
    if cell.network == "demo":
        return load_model(None)
    if cell.images_key in SCORED_IMAGES:
        return load_model(place.of("models", f"{cell.network}.onnx"))
    return load_model(cell.network)


def scored_images(cell: Cell, place: Place, model: FloatModel) -> tuple[RealSet, dict[str, Any]]:
    """The labelled images a cell is scored on, and which of how many they are.

    The second half of the evaluation's images; all of those that a user gives, on which nothing was chosen.
    """
    if place.images is not None:
        whole = RealSet.load(place.images, model.input_spec, model.num_classes)
        facts = {"file": place.images.name, "half": None, "from": 0, "images": len(whole), "of": len(whole)}
        return RealSet(images=whole.images, labels=whole.labels, origin=place.images.name), facts
    whole, name = _labelled_images(cell, place, model)
    middle = len(whole) // 2
    half = _part(whole, name, middle, len(whole))
    return half, {"file": name, "half": "second", "from": middle, "images": len(half), "of": len(whole)}


def real_images(cell: Cell, place: Place, model: FloatModel) -> RealSet:
    """The images that `real` tunes on: training images where there are any, else the half that is not scored."""
    if cell.network == "demo":
        pixels, labels = training_digits()
        images = torch.from_numpy(model.input_spec.normalize(pixels))
        return RealSet(images=images, labels=torch.from_numpy(labels), origin="scikit-learn's digits, training half")
    if cell.images_key in REAL_IMAGES:
        name = REAL_IMAGES[cell.images_key]
        real = RealSet.load(place.of(name), model.input_spec, model.num_classes)
        return RealSet(images=real.images, labels=real.labels, origin=name)
    return unscored_images(cell, place, model)


def unscored_images(cell: Cell, place: Place, model: FloatModel) -> RealSet:
    """The first half of a table's labelled images: what choices are made on."""
    whole, name = _labelled_images(cell, place, model)
    return _part(whole, name, 0, len(whole) // 2)


def _labelled_images(cell: Cell, place: Place, model: FloatModel) -> tuple[RealSet, str]:
    """All labelled images of a network of the table, and their name."""
    if cell.network == "demo":
        return held_out_set(), "scikit-learn's digits, held-out half"
    if cell.images_key in SCORED_IMAGES:
        name = SCORED_IMAGES[cell.images_key]
        return RealSet.load(place.of(name), model.input_spec, model.num_classes), name
    raise InputError(f"there are no labelled images for {cell.network} here: name them with --images")


def _part(whole: RealSet, name: str, start: int, stop: int) -> RealSet:
    images, labels = whole.images[start:stop].clone(), whole.labels[start:stop].clone()
    return RealSet(images=images, labels=labels, origin=f"{name}, images {start:,} to {stop - 1:,}")


def _measure(model: FloatModel, ran: CellRun, device: str) -> dict[str, Any] | None:
    """The statistics of the first images that the network was tuned on; None where they were not kept."""
    if ran.result.tuned.drawn is None:
        return None
    images, labels = (drawn[:_MEASURED_IMAGES] for drawn in ran.result.tuned.drawn)
    statistics, _ = measure_set(model.teacher.to(device), images, labels, model.input_spec, device)
    values = statistics.to_json()
    del values["layers"], values["confidence_counts"]
    return {**values, "bns_distance": statistics.bns_distance}


def _plain_report(text: str, place: Place) -> dict[str, Any]:
    """The report without this machine's folders, and without what stands elsewhere or was not measured well."""
    if place.folder is not None:
        text = text.replace(f"{place.folder}{os.sep}", "")
    body: dict[str, Any] = json.loads(text)
    if body["parity"] is not None:
        del body["parity"]["tensors"]
    return {key: value for key, value in body.items() if key not in _LEFT_OUT}


def print_dry_run(cell: Cell, place: Place, *, untrained: bool) -> None:
    """Print which recipe a run of the cell would take and what it would quantize.

    `untrained`: the cell's network is of pytorchcv, and its weights are drawn, not fetched.
    """
    model = _load_untrained(cell.network) if untrained else load_network(cell, place)
    recipe = recipe_of(cell, model.input_spec.shape)
    print_plan(gq.plan(model, recipe))
    print(f"{cell.network}: {list(model.input_spec.shape)} -> {model.num_classes} classes, recipe {recipe.name}")


def _load_untrained(name: str) -> FloatModel:
    zoo, _, network = name.partition(":")
    if zoo != "pytorchcv":
        raise InputError(f"{name} is not of pytorchcv; give pytorchcv:NAME, or leave out --untrained")
    from pytorchcv.model_provider import get_model

    torch.manual_seed(0)
    module = get_model(network, pretrained=False).eval()
    return load_model(module, mean=_IMAGENET_MEAN, std=_IMAGENET_STD, input_shape=(3, *module.in_size))
