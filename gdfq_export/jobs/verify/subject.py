"""What `verify` measures: an ONNX file, an engine, or a bundle that may hold both, of which this machine runs one."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import onnx

from gdfq_export.errors import BackendUnavailable, InputError, errors_name
from gdfq_export.frontend.sources.onnx_file import read_onnx
from gdfq_export.qdq.metadata import own_metadata
from gdfq_export.qdq.reader.model import QdqModel
from gdfq_export.runtimes.tensorrt import EngineFile, is_engine, read_engine, require_package, require_runs_here
from gdfq_export.targets import TARGETS, Target, find_target


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


def find_subject(
    model: Path, *, engine: Path | None = None, target: str | None = None, backend: str | None = None
) -> Subject:
    """Read what is to be measured: `model`, or the `engine` that lies beside it in a bundle and runs here.

    Args:
        model: an ONNX file or an engine.
        engine: one built from `model`.
        target: whose rules are checked, as asked for; None: the file's own.
        backend: runtime to measure in, as asked for; None: the target's own.

    Raises:
        InputError: a file cannot be read, is damaged or not what ONNX allows, or what was asked for does not run it.
        BackendUnavailable: `model` is an engine, and the package that built it is not here in that version.
    """
    if is_engine(model):
        found = read_engine(model)
        require_package(found)
        wanted = target_of_engine(model.name, target=target, backend=backend)
        return Subject(name=model.name, target=wanted, engine=found)
    proto = read_onnx(model)
    with errors_name(str(model)):
        QdqModel.of(proto)
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


def target_of_file(proto: onnx.ModelProto, *, target: str | None = None, backend: str | None = None) -> Target:
    """The target a file is checked against: as asked for, as the file says, or the first one of the runtime.

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


def target_of_engine(name: str, *, target: str | None = None, backend: str | None = None) -> Target:
    """The target whose runtime runs the engine called `name`.

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
