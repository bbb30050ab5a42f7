"""A file that is already there, of this tool or another one, held against the float network: what `verify` measures."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import onnx

from gdfq_export.errors import InputError
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.passes.acceptance import not_quantized
from gdfq_export.jobs.assemble_report import report_file
from gdfq_export.jobs.verify.evaluation_data import Judges, images_to_judge, warnings_of_chance
from gdfq_export.jobs.verify.measure_onnx import Verification, run_verification
from gdfq_export.lint.check import check
from gdfq_export.metrics.parity import Expected
from gdfq_export.metrics.preprocessing import preprocessing_findings
from gdfq_export.qdq.metadata import own_metadata
from gdfq_export.qdq.read_back import read_back
from gdfq_export.report.baseline import regressions
from gdfq_export.report.gates import decide
from gdfq_export.report.report import Report
from gdfq_export.runtimes import BACKENDS
from gdfq_export.runtimes.choose import choose_backend
from gdfq_export.support.finding import Finding
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.progress import Progress
from gdfq_export.targets import TARGETS, Target, find_target

__all__ = ["Judges", "decide_all", "target_of_file", "verify_file"]

_LARGE = 128 * 128  # pixels from which simulating an image takes a second
_PARITY_IMAGES, _PARITY_IMAGES_LARGE = 256, 8


def target_of_file(proto: onnx.ModelProto, *, target: str | None, backend: str | None) -> Target:
    """The table that a file is held against: as asked for, as the file says, or the first one of the runtime.

    Raises:
        InputError: there is no such target, or it belongs to another runtime than asked for.
    """
    metadata = own_metadata(proto)
    name = target or (metadata.get("target") if backend is None else None)
    if name is not None:
        found = find_target(name)
    else:
        own = TARGETS.get(metadata.get("target", ""))
        matching = [each for each in TARGETS.values() if each.backend == backend] if backend else [*TARGETS.values()]
        found = own if own in matching and own is not None else matching[0]
    if backend is not None and found.backend != backend:
        raise InputError(
            f"--target {found.name} is for the runtime {found.backend}, not {backend}; leave out one of them"
        )
    return found


def verify_file(
    model: FloatModel,
    proto: onnx.ModelProto,
    *,
    name: str,
    target: Target,
    judges: Judges,
    seed: int,
    latency_seconds: float,
    batch: int,
    threads: int,
    progress: Progress,
) -> Report:
    """Measure everything that can be measured of a quantized file.

    Args:
        model: the float network it is held against.
        proto: the quantized file.
        name: of the file, for the report.
        target: the table it is for (`target_of_file`).
        judges: the images.
        seed: of images that are made where none are given.
        latency_seconds: spent on timing; 0: none.
        batch: images that are run at once where time is taken.
        threads: of the runtime where time is taken.
        progress: where phases report themselves.

    Raises:
        InputError: the file does not load, or does not belong to the float network.
        BackendUnavailable: the target's runtime is not installed.
    """
    measuring = choose_backend(target, BACKENDS)
    _require_same_ends(model, proto, name)
    labelled, images, source, warnings = images_to_judge(model, judges, seed, progress)
    expected, reason = _simulation(proto)
    float_file, file = model.original.SerializeToString(), proto.SerializeToString()
    large = images.shape[2] * images.shape[3] >= _LARGE
    measured = run_verification(
        float_file,
        file,
        images=images,
        source=source,
        expected=expected,
        unsimulated=reason,
        exact=target.exact,
        parity_images=images[: _PARITY_IMAGES_LARGE if large else _PARITY_IMAGES],
        labelled=labelled,
        latency_seconds=latency_seconds,
        resources=True,
        batch=batch,
        threads=threads,
        progress=progress,
        backend=measuring.backend,
        own=measuring.own,
        away=measuring.away,
    )
    with progress.phase("rules"):
        findings = (*check(proto, target), *_preprocessing(model, proto, measured))
    return report_file(
        model,
        measured,
        command="verify",
        name=name,
        float_file=float_file,
        file=file,
        seed=seed,
        progress=progress,
        measuring=measuring,
        findings=findings,
        warnings=(
            *not_quantized(proto, name),
            *warnings,
            *_stranger(measured, model, proto, name),
            *warnings_of_chance(measured.accuracy, model),
        ),
    )


def decide_all(
    report: Report, limits: Mapping[str, float | bool], baseline: Mapping[str, Any] | None, allowed: Mapping[str, float]
) -> Report:
    """The report with its gates: `limits` by gate, and how much worse than `baseline` figures may be (`allowed`)."""
    gates = decide(report, limits)
    if baseline is not None:
        gates += regressions(report, baseline, allowed)
    return dataclasses.replace(report, gates=gates)


def _require_same_ends(model: FloatModel, proto: onnx.ModelProto, name: str) -> None:
    """Both networks must take the same images and give the same classes."""
    given = [*proto.graph.input]
    shape = [dim.dim_value for dim in given[0].type.tensor_type.shape.dim[1:]] if len(given) == 1 else []
    if len(given) != 1 or (min(shape, default=0) > 0 and tuple(shape) != model.input_spec.shape):
        found = f"images of {shape}" if len(given) == 1 else f"{len(given)} inputs"
        raise InputError(
            f"{name} takes {found}, the float network {model.source} images of {list(model.input_spec.shape)}; give "
            "the float network that the file was made from as --reference"
        )
    sizes = [dim.dim_value for dim in proto.graph.output[0].type.tensor_type.shape.dim]
    if len(sizes) == 2 and sizes[1] not in (0, model.num_classes):
        raise InputError(
            f"{name} has {sizes[1]} classes, the float network {model.source} has {model.num_classes}; give the float "
            "network that the file was made from as --reference"
        )


def _simulation(proto: onnx.ModelProto) -> tuple[Expected | None, str]:
    """The exact simulation of the file, or why there is none."""
    try:
        return read_back(proto).run, ""
    except InputError as error:
        return None, str(error)


def _preprocessing(model: FloatModel, proto: onnx.ModelProto, measured: Verification) -> tuple[Finding, ...]:
    stated = own_metadata(proto).get("preprocessing")
    found = json.loads(stated) if stated else None
    return preprocessing_findings(
        model.input_spec, found, None if isinstance(measured.layers, NotMeasured) else measured.layers
    )


def _stranger(measured: Verification, model: FloatModel, proto: onnx.ModelProto, name: str) -> tuple[str, ...]:
    """A float network that shares no name with the file is seldom the one that it was made from."""
    layers = measured.layers
    if isinstance(layers, NotMeasured) or not layers.unmatched:
        return ()
    ends = {value.name for value in (*proto.graph.input, *proto.graph.output)}
    if any(layer.tensor not in ends for layer in layers.layers):
        return ()
    return (
        f"no tensor inside {name} has the name of one of {model.source}: if it was made from another network, give "
        "that as --reference; if a tool gave new names, layers cannot be compared",
    )
