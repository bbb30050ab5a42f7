"""ONNX file -> TensorRT engine, and which of its layers run on integers."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from gdfq_export.errors import BackendUnavailable, InputError
from gdfq_export.runtimes.base import ExecutedGraph
from gdfq_export.runtimes.session import where
from gdfq_export.runtimes.tensorrt.build_log import logged_graph
from gdfq_export.runtimes.tensorrt.package import Package, find_package, reason_against_gpu
from gdfq_export.support.files import atomic_output, scratch_folder

_BUILDER = Path(__file__).with_name("builder.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A built engine.

    Attributes:
        data: the engine, as it is written to a file.
        runtime: package and version, as text.
        graph: its layers; None where this TensorRT does not list them without a GPU.
        warnings: of TensorRT.
        seconds: of the build.
    """

    data: bytes
    runtime: str
    graph: ExecutedGraph | None
    warnings: tuple[str, ...]
    seconds: float


def build_engine(
    model: Path | bytes,
    *,
    batches: tuple[int, int, int] = (1, 1, 8),
    timing_cache: Path | None = None,
    level: int = 3,
    package: str | None = None,
) -> Engine:
    """Build an engine for this machine's GPU or, with TensorRT-RTX and without a GPU, for any RTX GPU.

    Args:
        model: an ONNX file whose batch is open or fixed.
        batches: smallest, usual and largest batch of a file whose batch is open.
        timing_cache: measured tactics, read if it is there and written again; TensorRT-RTX has none, and the engine's
            warnings say so.
        level: TensorRT's builder optimization level, 0 to 5.
        package: the one to build with; by default `tensorrt`, or `tensorrt_rtx` where that is not installed.

    Raises:
        InputError: TensorRT refuses the file or cannot build it; the message names the node.
        BackendUnavailable: TensorRT is not installed, or there is no GPU to build for.
    """
    builder = find_package(*([package] if package else []))
    if not builder.builds_without_gpu and (reason := reason_against_gpu()):
        raise BackendUnavailable(
            f"{builder.title} builds on a GPU only: {reason}; build on the device, or install "
            "gdfq-export[tensorrt-rtx], which builds for RTX GPUs without one"
        )
    started = time.perf_counter()
    with scratch_folder() as folder:
        data = model if isinstance(model, bytes) else _serialized(model)
        (folder / "model.onnx").write_bytes(data)
        cache = timing_cache if builder.has_timing_cache else None
        answer = _ask(
            folder,
            {
                "package": builder.name,
                "model": str(folder / "model.onnx"),
                "engine": str(folder / "engine"),
                "answer": str(folder / "answer.json"),
                "batches": batches,
                "known_tactics": None if cache is None else str(cache),
                "tactics": str(folder / "tactics"),
                "level": level,
            },
            where(model),
        )
        if refused := answer.get("refused"):
            raise InputError(f"{where(model)}: {builder.title} refuses it: {refused[0]}")
        if "failed" in answer:
            said = answer["failed"][-1] if answer["failed"] else "no reason given"
            raise InputError(f"{where(model)}: {builder.title} cannot build it: {said}")
        if cache is not None:
            with atomic_output(cache) as temporary:
                temporary.write_bytes((folder / "tactics").read_bytes())
        layers = answer["layers"]
        return Engine(
            data=(folder / "engine").read_bytes(),
            runtime=builder.title,
            graph=logged_graph(layers, onnx.load_from_string(data), builder.title) if layers else None,
            warnings=(*answer["warnings"], *([_without_cache(builder)] if timing_cache != cache else [])),
            seconds=time.perf_counter() - started,
        )


def _without_cache(package: Package) -> str:
    return (
        f"{package.title} has no timing cache, so none is read or written: it measures no kernels while it builds, and "
        "compiles them where the engine runs"
    )


def _serialized(path: Path) -> bytes:
    """The file with all its weights inside."""
    from gdfq_export.frontend.sources.onnx_file import (
        read_onnx,  # imports torch, which a process that runs a file does without
    )

    data: bytes = read_onnx(path).SerializeToString()
    return data


def _ask(folder: Path, request: dict[str, Any], name: str) -> dict[str, Any]:
    (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
    command = [sys.executable, "-P", str(_BUILDER), str(folder / "request.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    answer = folder / "answer.json"
    if done.returncode == 0 and answer.exists():
        body: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
        return body
    if done.returncode < 0:
        end = f"it crashed ({signal.Signals(-done.returncode).name})"
    else:
        end = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    raise InputError(f"{name}: TensorRT did not build an engine: {end}")
