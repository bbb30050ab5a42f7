"""What `verify` is given: an ONNX file, an engine, or a bundle that may hold both, of which this machine runs one."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import onnx

from gdfq_export.errors import BackendUnavailable
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.sources.onnx_file import read_onnx
from gdfq_export.jobs.verify.evaluation_data import Judges
from gdfq_export.jobs.verify.verify_engine import target_of_engine, verify_engine
from gdfq_export.jobs.verify.verify_onnx import target_of_file, verify_file
from gdfq_export.report.report import Report
from gdfq_export.runtimes.tensorrt import EngineFile, is_engine, read_engine, require_package, require_runs_here
from gdfq_export.support.progress import Progress
from gdfq_export.targets import Target

__all__ = ["Subject", "find_subject", "verify_subject"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A file to measure, ONNX (`proto`) or an engine; `left_out` says what else there was, and why it was not."""

    name: str
    target: Target
    proto: onnx.ModelProto | None = None
    engine: EngineFile | None = None
    left_out: str = ""

    @property
    def always(self) -> dict[str, float | bool]:
        """Gates that need not be asked for: an ONNX file keeps its runtime's rules, an engine was built already."""
        return {} if self.proto is None else {"require-rules": True}


def find_subject(model: Path, *, engine: Path | None = None, target: str | None, backend: str | None) -> Subject:
    """Read what is to be measured: `model`, or the `engine` that lies beside it in a bundle and runs here.

    Args:
        model: an ONNX file or an engine.
        engine: one built from `model`.
        target: whose rules are held, as asked for.
        backend: to measure in, as asked for.

    Raises:
        InputError: a file cannot be read or is damaged, or what was asked for does not run it.
        BackendUnavailable: `model` is an engine, and the package that built it is not here in that version.
    """
    if is_engine(model):
        found = read_engine(model)
        require_package(found)
        wanted = target_of_engine(model.name, target=target, backend=backend)
        return Subject(name=model.name, target=wanted, engine=found)
    proto = read_onnx(model)
    own = target_of_file(proto, target=target, backend=backend)
    subject = Subject(name=model.name, target=own, proto=proto)
    if engine is None:
        return subject
    if not own.engine:
        return dataclasses.replace(
            subject, left_out=f"{engine.name} was not run: the target {own.name} runs no engines"
        )
    found = read_engine(engine)
    try:
        require_runs_here(found)
    except BackendUnavailable as error:
        return dataclasses.replace(subject, left_out=f"{engine.name} was not run, {model.name} was measured: {error}")
    return Subject(name=engine.name, target=own, engine=found)


def verify_subject(
    model: FloatModel,
    subject: Subject,
    *,
    judges: Judges,
    seed: int,
    latency_seconds: float,
    batch: int,
    threads: int,
    progress: Progress,
) -> Report:
    """Measure what was found; for the arguments, and for what is raised, see `verify_file` and `verify_engine`."""
    if subject.engine is not None:
        return verify_engine(
            model,
            subject.engine,
            name=subject.name,
            target=subject.target,
            judges=judges,
            seed=seed,
            latency_seconds=latency_seconds,
            batch=batch,
            progress=progress,
        )
    assert subject.proto is not None
    report = verify_file(
        model,
        subject.proto,
        name=subject.name,
        target=subject.target,
        judges=judges,
        seed=seed,
        latency_seconds=latency_seconds,
        batch=batch,
        threads=threads,
        progress=progress,
    )
    left_out = (subject.left_out,) if subject.left_out else ()
    return dataclasses.replace(report, warnings=(*report.warnings, *left_out))
