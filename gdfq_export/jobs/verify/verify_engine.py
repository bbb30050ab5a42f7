"""A built engine held against the float network: what `verify model.plan` measures, on the GPU that it is for."""

from __future__ import annotations

import numpy as np

from gdfq_export.errors import InputError
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs.assemble_report import report_file
from gdfq_export.jobs.verify.evaluation_data import Judges, images_to_judge, warnings_of_chance
from gdfq_export.jobs.verify.measure_engine import NO_PAIRS, run_engine_verification
from gdfq_export.jobs.verify.measure_onnx import ends_in_softmax
from gdfq_export.report.report import Report
from gdfq_export.runtimes import BACKENDS
from gdfq_export.runtimes.base import Session
from gdfq_export.runtimes.choose import Measuring
from gdfq_export.runtimes.tensorrt import EngineFile, build_engine, require_runs_here
from gdfq_export.support.progress import Progress
from gdfq_export.targets import TARGETS, Target, find_target

__all__ = ["target_of_engine", "verify_engine"]

_AT_ONCE = 64  # images of the float network's engine, where the timed batch is smaller


def target_of_engine(name: str, *, target: str | None, backend: str | None) -> Target:
    """The table of the runtime that runs the engine called `name`.

    Raises:
        InputError: there is no such target, or what was asked for runs no engines.
    """
    named = [find_target(target)] if target is not None else [*TARGETS.values()]
    found = next((each for each in named if each.engine and backend in (None, each.backend)), None)
    if found is None:
        raise InputError(
            f"{name} is an engine, which {f'--target {target}' if target else f'--backend {backend}'} does not run; "
            "leave that out, or give the ONNX file"
        )
    return found


def verify_engine(
    model: FloatModel,
    engine: EngineFile,
    *,
    name: str,
    target: Target,
    judges: Judges,
    seed: int,
    latency_seconds: float,
    batch: int,
    progress: Progress,
) -> Report:
    """Measure everything that can be measured of an engine.

    Args:
        model: the float network it is held against; an engine of it is built first.
        engine: the one to judge.
        name: of its file, for the report.
        target: the table of its runtime (`target_of_engine`).
        judges: the images.
        seed: of images that are made where none are given.
        latency_seconds: spent on timing; 0: none.
        batch: images that are run at once where time is taken.
        progress: where phases report themselves.

    Raises:
        InputError: the engine does not belong to the float network, or does not take `batch` images at once.
        BackendUnavailable: the package that built the engine, that version of it, or a GPU that runs it is missing.
    """
    require_runs_here(engine)
    backend = BACKENDS[target.backend]
    _require_same_ends(model, backend.load(engine.data, 1), name)
    labelled, images, source, warnings = images_to_judge(model, judges, seed, progress)
    float_file = model.original.SerializeToString()
    with progress.phase("build the float engine"):
        float_engine = build_engine(float_file, batches=(1, batch, max(batch, _AT_ONCE)), package=engine.package)
    measured = run_engine_verification(
        float_engine.data,
        engine.data,
        backend=backend,
        images=images,
        source=source,
        probabilities=ends_in_softmax(float_file),
        labelled=labelled,
        latency_seconds=latency_seconds,
        batch=batch,
        progress=progress,
    )
    return report_file(
        model,
        measured,
        command="verify",
        name=name,
        float_file=float_file,
        file=engine.data,
        seed=seed,
        progress=progress,
        measuring=Measuring(own=backend, backend=backend),
        findings=NO_PAIRS,
        warnings=(*warnings, *warnings_of_chance(measured.accuracy, model)),
    )


def _require_same_ends(model: FloatModel, session: Session, name: str) -> None:
    """Both networks must take the same images and give the same classes; an engine is asked by running one image."""
    mend = "give the float network that the engine was built from as --reference"
    try:
        logits = session.run(np.zeros((1, *model.input_spec.shape), np.float32))
    except InputError as error:
        raise InputError(f"{error}; {mend}") from error
    if logits.shape != (1, model.num_classes):
        raise InputError(
            f"{name} answers an image with {list(logits.shape[1:])} numbers, the float network {model.source} has "
            f"{model.num_classes} classes; {mend}"
        )
