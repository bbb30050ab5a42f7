"""A network of a few weights, images for it, and a comparison made up without running anything."""

from __future__ import annotations

from functools import cache

import torch
from torch import nn

from calib.samplers import RealSet
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.sources import load_model
from gdfq_export.jobs.compare.cells import Cell, CellResult, Comparison, ImagesFacts, NetworkFacts, Score
from gdfq_export.jobs.resume.identity import JobIdentity
from gdfq_export.report.report import FileFacts
from gdfq_export.runtimes.environment.machine import Machine
from gdfq_export.support.confidence_interval import paired_difference_interval, proportion
from gdfq_export.synthesis.method import Cut
from gdfq_export.tasks.classification.accuracy import TopK
from gdfq_export.tasks.labelled_images import LabelledImages

SHAPE, CLASSES = (1, 8, 8), 3


@cache
def network(*, batch_norm: bool = True) -> FloatModel:
    """Two convolutions and a classifier, with random weights; without BatchNorm ZeroQ has nothing to work with."""
    torch.manual_seed(0)
    between = [nn.BatchNorm2d(4)] if batch_norm else []
    module = nn.Sequential(
        *(nn.Conv2d(1, 4, 3, bias=not batch_norm), *between, nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, CLASSES)),
    )
    return load_model(module.eval(), scale=255.0, mean=(0.0,), std=(1.0,), input_shape=SHAPE)


def images(seed: int, count: int = 40) -> RealSet:
    """Noise with labels that mean nothing."""
    random = torch.Generator().manual_seed(seed)
    return RealSet(
        images=torch.rand((count, *SHAPE), generator=random),
        labels=torch.randint(CLASSES, (count,), generator=random),
        origin=f"noise {seed}",
    )


def labelled(seed: int, count: int = 40) -> LabelledImages:
    """The same, to score on."""
    drawn = images(seed, count)
    return LabelledImages(images=drawn.images.numpy(), truth=drawn.labels.numpy(), source=drawn.origin)


def score(lost: int, won: int, of: int = 400, *, labelled: bool = True) -> Score:
    """Of a file that has `lost` images wrong that float has right, and `won` the other way round."""
    low, high = paired_difference_interval(lost, won, of)
    top1 = TopK(
        float_network=proportion(of - won, of),
        quantized=proportion(of - lost, of),
        only_float_right=lost,
        only_quantized_right=won,
        drop_pp=100 * (lost - won) / of,
        drop_low_pp=100 * low,
        drop_high_pp=100 * high,
    )
    return Score(agreement=proportion(of - lost - won, of), top1=top1 if labelled else None, top5=None)


def identity(**changes: object) -> JobIdentity:
    """Of a cell, with some of it changed."""
    usual = {
        "tool_version": "1", "network_sha256": "n", "preprocessing": "p", "target": "ort-cpu", "recipe_sha256": "r",
        "seed": 0, "device": "cpu", "budget_seconds": 60.0, "scored_sha256": "s", "calibration_sha256": None,
    }  # fmt: skip
    return JobIdentity(**{**usual, **changes})  # type: ignore[arg-type]


def cell(bits: str, method: str, scored: Score | None, *, reason: str | None = None, **changes: object) -> Cell:
    """A cell that took 12 s; without a score one that did not run."""
    measured = None
    if scored is not None:
        measured = CellResult(
            score=scored,
            seconds=12.0,
            seconds_measuring=1.0,
            file=FileFacts(name=f"{bits}-{method}.onnx", bytes=93_000, sha256="f"),
            tuned_on=method,
            images=64,
            cut=Cut(published_steps=80_000, steps=51, seconds_per_step=0.2) if method == "gdfq" else None,
            recipe_used={"name": method},
            machine="a CPU, 2 cores, 1 thread",
            warnings=(),
        )
    return Cell(bits=bits, method=method, recipe=method, identity=identity(**changes), measured=measured, reason=reason)


def comparison(*cells: Cell, labelled: bool = True) -> Comparison:
    """Of a network called `net | $x$`, which must harm neither table nor picture."""
    return Comparison(
        tool_version="1",
        network=NetworkFacts(
            name="net | $x$", source="net.onnx", sha256="n" * 64, classes=10, input_shape=(3, 32, 32), bytes=1_000_000
        ),
        target="ort-cpu",
        seed=0,
        device="cpu",
        threads=1,
        budget_seconds=60.0,
        scored=ImagesFacts(
            source="photos.npz", images=400, sha256="s", labels="given" if labelled else "float network's answers"
        ),
        real=None,
        machine=Machine(cpu="a CPU", flags=(), cores=2, load_1min=0.5, system="Linux x86_64"),
        versions={"torch": "2"},
        warnings=(),
        cells=cells,
    )
