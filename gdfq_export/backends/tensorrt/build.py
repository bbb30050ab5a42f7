"""ONNX file -> TensorRT engine, and which of its layers run on integers."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from gdfq_export.backends.base import ExecutedGraph, ExecutedNode, Kind
from gdfq_export.backends.session import where
from gdfq_export.backends.tensorrt.package import find_package, reason_against_gpu
from gdfq_export.errors import BackendUnavailable, InputError
from gdfq_export.files import atomic_output

__all__ = ["Engine", "build_engine"]

_COMPUTE = ("correlation", "convolution", "deconvolution", "gemm", "matrix_multiply", "fully_connected")
_ONNX_COMPUTE = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_INTEGERS = ("Int8", "INT8", "Int4", "INT4")
_KERNELS = frozenset({*_ONNX_COMPUTE, "Relu", "Clip", "Add", "MaxPool", "Concat"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A built engine.

    Attributes:
        data: the engine, as it is written to a file.
        runtime: package and version, in words.
        graph: its layers; None where this TensorRT does not list them without a GPU.
        warnings: what TensorRT said.
        seconds: the build took.
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
) -> Engine:
    """Build an engine for this machine's GPU or, with TensorRT-RTX and without a GPU, for any RTX GPU.

    Args:
        model: an ONNX file whose batch is open or fixed.
        batches: smallest, usual and largest batch of a file whose batch is open.
        timing_cache: measured tactics, read if it is there and written again; TensorRT-RTX has none.
        level: TensorRT's builder optimization level, 0 to 5.

    Raises:
        InputError: TensorRT refuses the file or cannot build it; the message names the node.
        BackendUnavailable: TensorRT is not installed, or there is no GPU to build for.
    """
    package = find_package()
    if not package.builds_without_gpu and (reason := reason_against_gpu()):
        raise BackendUnavailable(
            f"{package.name} {package.version} builds on a GPU only: {reason}; build on the device, or install "
            "gdfq-export[tensorrt-rtx], which builds for RTX GPUs without one"
        )
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="gdfq-export-") as name:
        folder = Path(name)
        data = model if isinstance(model, bytes) else _serialized(model)
        (folder / "model.onnx").write_bytes(data)
        cache = None if package.builds_without_gpu else timing_cache
        answer = _ask(
            folder,
            {
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
        runtime = f"{answer['package']} {answer['version']}"
        if refused := answer.get("refused"):
            raise InputError(f"{where(model)}: {runtime} refuses it: {refused[0]}")
        if "failed" in answer:
            said = answer["failed"]
            raise InputError(f"{where(model)}: {runtime} cannot build it: {said[-1] if said else 'no reason given'}")
        if cache is not None:
            with atomic_output(cache) as temporary:
                temporary.write_bytes((folder / "tactics").read_bytes())
        return Engine(
            data=(folder / "engine").read_bytes(),
            runtime=runtime,
            graph=_graph(answer["layers"], onnx.load_from_string(data), runtime) if answer["layers"] else None,
            warnings=tuple(answer["warnings"]),
            seconds=time.perf_counter() - started,
        )


def _serialized(path: Path) -> bytes:
    """The file with all its weights inside."""
    from gdfq_export.sources.onnx_file import read_onnx  # imports torch, which a process that runs a file does without

    data: bytes = read_onnx(path).SerializeToString()
    return data


def _ask(folder: Path, request: dict[str, Any], name: str) -> dict[str, Any]:
    (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
    command = [sys.executable, "-m", "gdfq_export.backends.tensorrt.builder", str(folder / "request.json")]
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


def _graph(text: str, model: onnx.ModelProto, runtime: str) -> ExecutedGraph:
    """Layers as the build log lists them; a layer of the file that no integer or float kernel names counts as float."""
    layers = [_layer(line) for line in text.splitlines() if line.startswith("Name: ")]
    computed = {name for layer, names in layers if layer.kind.endswith("compute") for name in names}
    lost = [node for node in model.graph.node if node.op_type in _ONNX_COMPUTE and _logged(node) not in computed]
    unknown: Kind = "float compute"
    missing = (
        ExecutedNode(
            name=_logged(node),
            op_type=f"{node.op_type}, not in the build log",
            kind=unknown,
            inputs=(),
            outputs=(),
        )
        for node in lost
    )
    return ExecutedGraph(
        runtime=runtime,
        nodes=(*(layer for layer, _ in layers), *missing),
        inputs=tuple(value.name for value in model.graph.input),
        outputs=tuple(value.name for value in model.graph.output),
        constants=frozenset(),
        integer_kernels=_KERNELS,
    )


def _logged(node: onnx.NodeProto) -> str:
    """What the build log calls a node of the file."""
    return node.name or f"node_of_{node.output[0]}"


def _layer(line: str) -> tuple[ExecutedNode, tuple[str, ...]]:
    """One line: `Name: ..., LayerType: ..., Inputs: [...], Constants: [...], Outputs: [...], ..., Metadata: ...`."""
    op_type = _first(r"LayerType: ([^,]*)", line)
    names = tuple(re.findall(r"\[ONNX Layer: (.*?)\](?=\x1f|\[ONNX Layer: |$)", line))
    inputs, outputs = (_tensors(line, section) for section in ("Inputs", "Outputs"))
    kind: Kind = "other"
    if op_type in _COMPUTE:
        kind = "integer compute" if inputs and inputs[0][1] in _INTEGERS else "float compute"
    node = ExecutedNode(
        name=names[0] if names else _first(r"Name: ([^,]*)", line),
        op_type=op_type,
        kind=kind,
        inputs=tuple(name for name, _ in inputs),
        outputs=tuple(name for name, _ in outputs),
    )
    return node, names


def _tensors(line: str, section: str) -> list[tuple[str, str]]:
    """Names and data types of a section's tensors."""
    body = _first(rf"{section}: \[(.*?)\](?:, (?:Constants|Outputs|TacticName))", line)
    return re.findall(r"Name: ([^,]*),.*?Datatype: (\w+)", body)


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found.group(1) if found else ""
