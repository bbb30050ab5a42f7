"""Whole reports to look at: one that is measured on a tiny classifier, and one in which nothing was."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

from gdfq_export.jobs.network_file import NetworkFile
from gdfq_export.jobs.verify.measure import EvaluationImages, MeasureRequest, Simulation, Timing, measure
from gdfq_export.metrics.parity import ParityResult
from gdfq_export.planning.layer_mix import LayerMix
from gdfq_export.recipe import Recipe
from gdfq_export.report.cpu_figures import CpuFigures, NativeComparison
from gdfq_export.report.report import (
    CalibrationFacts,
    Curve,
    FileFacts,
    Files,
    InputFacts,
    MixedBitsFacts,
    RecipeFacts,
    Report,
    RuntimeFacts,
)
from gdfq_export.runtimes.choose import Measuring
from gdfq_export.runtimes.environment.machine import Machine
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.progress import SilentProgress
from gdfq_export.tasks.classification.task import Classification
from gdfq_export.tasks.figures import TaskFigure, TaskFigures
from gdfq_export.tasks.labelled_images import LabelledImages
from gdfq_export.tasks.registry import FoundTask
from tests.jobs.verify.quantized_classifier import classifier, images

MIXED_BITS = MixedBitsFacts(
    sensitivity={"a": 0.5},
    raised=["a"],
    growth=0.1,
    layers=(
        LayerMix(
            layer="a",
            weights=8,
            activations=4,
            weights_error=0.5,
            activations_error=0.012,
            bytes_added=1200,
            operations=0.75,
        ),
        LayerMix(
            layer="b",
            weights=4,
            activations=None,
            weights_error=None,
            activations_error=None,
            bytes_added=0,
            operations=0.25,
        ),
    ),
    operations=0.4,
)
USED = Recipe(name="w8a8-ort-cpu").model_dump(mode="json")

SECTIONS = ("accuracy", "agreement", "parity", "simulation", "coverage", "latency", "layers", "resources")
"""What a report may say it has not measured."""


@cache
def make_report(*, labelled: bool) -> Report:
    """A classifier that is quantized well, on 20 images, with labels or without."""
    network, pictures = classifier(), images(20)
    labels = network.integers(pictures)["logits"].argmax(axis=1)
    given = LabelledImages(images=pictures, truth=labels, source="a.npz") if labelled else None
    request = MeasureRequest(
        found_task=FoundTask(task=Classification(classes=4, compared=("logits",)), reason="asked for"),
        float_network=NetworkFile.of(network.float_network(), "float.onnx"),
        quantized=NetworkFile.of(network.quantized(), "q.onnx"),
        evaluation=EvaluationImages(images=pictures, source="noise", labelled=given),
        measuring=Measuring(target_backend=OnnxRuntime(), measured_on=OnnxRuntime()),
        simulation=Simulation(run=network.integers, exact=True, images=pictures, source="noise"),
        timing=Timing(seconds=0.01),
    )
    measured = measure(request, SilentProgress())
    return Report(
        command="quantize",
        tool_version="0.0",
        source="float.onnx",
        files=Files(
            float_network=FileFacts(name="float.onnx", bytes=400, sha256="ab"),
            quantized=FileFacts(name="q.onnx", bytes=100, sha256="cd"),
            size_ratio=0.25,
        ),
        input=InputFacts(shape=(2, 3, 3), scale=1.0, mean=(0.0, 0.0), std=(1.0, 1.0), classes=4),
        recipe=RecipeFacts(name="w8a8-ort-cpu", target="ort-cpu", sha256="ef", used=USED),
        seed=3,
        calibration=CalibrationFacts(source="gdfq", images=1024, provenance={"steps": 5}),
        task=measured.task,
        accuracy=measured.accuracy,
        agreement=measured.agreement,
        parity=measured.parity,
        simulation=measured.simulation,
        coverage=measured.coverage,
        latency=measured.latency,
        layers=measured.layers,
        weights=measured.weights,
        resources=measured.resources,
        findings=(),
        seconds_by_phase={"calibration": 1.5, "latency": 0.25},
        warnings=("BatchNorm is folded",),
        machine=Machine(cpu="cpu", flags=("avx2",), cores=2, load_1min=None, system="Linux"),
        versions={"python": "3.11"},
        runtime=RuntimeFacts(name="onnxruntime", measured_in="onnxruntime", reason=None),
        curves=(Curve(phase="train", metric="loss", total_steps=2, steps=(1, 2), values=(0.5, 0.25)),),
    )


NOT_COMPARED = NotMeasured(reason="every integer is compared with the simulated one")


def cpu_figures(name: str, parity: ParityResult | NotMeasured | None = None) -> CpuFigures:
    """The file of `make_report` on another CPU, as on this one."""
    report = make_report(labelled=False)
    task, agreement = report.task, report.agreement
    assert task is not None
    return CpuFigures(
        cpu=name,
        description="another CPU",
        emulated=True,
        images=20,
        source="noise",
        parity=report.parity if parity is None else parity,
        agreement=agreement,
        task=task,
        native=NativeComparison(values=80, differing=0, integers=NOT_COMPARED, agreement=agreement, task=task),
        coverage=report.coverage,
        latency=NotMeasured(reason="emulated"),
    )


def bare_report() -> Report:
    """A file that was found, and nothing measured on it."""
    nothing: dict[str, Any] = dict.fromkeys(SECTIONS, NotMeasured(reason="because"))
    return dataclasses.replace(
        make_report(labelled=False),
        command="verify",
        recipe=None,
        seed=None,
        calibration=None,
        weights=(),
        seconds_by_phase={},
        warnings=(),
        runtime=None,
        task=None,
        curves=(),
        **nothing,
    )


def task_figures(*, good: bool) -> TaskFigures:
    """Of every task at once, on 1000 images, with intervals of 0.6 dB and 0.001."""
    snr_db, cosine, share, drop = (40.0, 0.9995, 0.949, 0.2) if good else (10.0, 0.9, 0.5, 30.0)

    def figure(name: str, unit: str, value: float, half: float, note: str) -> TaskFigure:
        ends = {"low": value - half, "high": value + half, "sample": 1000}
        return TaskFigure(name=name, title=name, unit=unit, value=value, note=note, **ends)  # type: ignore[arg-type]

    return TaskFigures(
        name="classify",
        reason="found from the graph",
        images=1000,
        source="a.npz",
        real_images=True,
        outputs=(),
        figures=(
            figure("output_snr_db", "dB", snr_db, 0.3, "of output logits"),
            figure("cosine", "", cosine, 0.0005, "of output logits, the mean over images"),
            figure("self_map", "", share, 0.0005, ""),
            figure("map_drop_pp", "pp", drop, 0.0005, ""),
            figure("mask_iou", "", share, 0.0005, ""),
            figure("miou_drop_pp", "pp", drop, 0.0005, ""),
            figure("rank1_agreement", "", share, 0.0005, ""),
            figure("verification_drop_pp", "pp", drop, 0.0005, ""),
        ),
    )
