"""ONNX Runtime on the CPU, at its default optimization level, as users of a file run it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
import onnxruntime

from gdfq_export.errors import BackendUnavailable, InputError
from gdfq_export.runtimes.base import Array, ExecutedGraph, ExecutedNode, Images
from gdfq_export.runtimes.onnxruntime_operators import INTEGER_KERNELS, KINDS
from gdfq_export.runtimes.session import Session, as_taken, first_line, parts_of, where
from gdfq_export.support.files import scratch_folder
from gdfq_export.support.named_bytes import NamedBytes

_QUIET = 4  # nothing: errors are raised, and what it would print holds names of nodes as they are
_BATCH = 64
_PIXELS = "tensor(uint8)"
_LEVELS = {
    "disabled": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
}
_DEFAULT = "all"


class OnnxRuntime:
    """The `onnxruntime` package with its CPU execution provider.

    With `as_written`, Q/DQ are computed one by one as ONNX defines them, in float and slowly, and nothing is fused or
    rounded beside them: the numbers of a file that is made for another runtime. `level` is the optimisation of graphs:
    `disabled`, `basic`, `extended` or `all`, the default of ONNX Runtime.
    """

    def __init__(self, *, as_written: bool = False, level: str = _DEFAULT) -> None:
        self._as_written = as_written
        self._level = level
        self.name = "onnxruntime-as-written" if as_written else "onnxruntime"
        self.title = "ONNX Runtime (nothing fused)" if as_written else "ONNX Runtime"

    def require(self) -> None:
        """Do nothing: the package depends on it."""

    def examine(self, model: Path | bytes) -> ExecutedGraph:
        """The graph as it is executed; what `load` raises."""
        return self.load(model, 1).describe()

    def load(self, model: Path | bytes, threads: int, *, taps: Sequence[str] = (), batch: int = _BATCH) -> OrtSession:
        """Load a file; at most `batch` images go through the runtime at a time.

        Raises:
            InputError: ONNX Runtime does not accept the file, or an input is no batch such as `[N, C, H, W]`.
        """
        return OrtSession(model, threads, taps=taps, batch=batch, as_written=self._as_written, level=self._level)

    @property
    def levels(self) -> dict[str, OnnxRuntime]:
        """The same at each level of optimisation, by name; none where Q/DQ are computed as written."""
        return {} if self._as_written else {level: OnnxRuntime(level=level) for level in _LEVELS}


class OrtSession(Session):
    """One file in ONNX Runtime."""

    def __init__(
        self,
        model: Path | bytes,
        threads: int,
        *,
        taps: Sequence[str] = (),
        batch: int = _BATCH,
        as_written: bool = False,
        level: str = _DEFAULT,
    ) -> None:
        self._level = level
        served, inner = _with_outputs(model, taps) if taps else (model, [])
        self._session = self._open(served, threads, as_written=as_written)
        self._inputs = _batch_inputs(self._session, where(model))
        fixed = next((int(value.shape[0]) for value in self._inputs if isinstance(value.shape[0], int)), None)
        returned = [str(output.name) for output in self._session.get_outputs()]
        outputs = [name for name in returned if name not in inner]
        super().__init__(model, outputs, batch if fixed is None else fixed, fixed=fixed is not None, taps=inner)

    @property
    def input_name(self) -> str:
        """Name of the image input, of several inputs the first."""
        return str(self._inputs[0].name)

    def describe(self) -> ExecutedGraph:
        """The optimised graph of the file, taps not included."""
        graph = self._optimized().graph
        return ExecutedGraph(
            runtime="ONNX Runtime",
            nodes=tuple(
                ExecutedNode(
                    name=node.name,
                    op_type=node.op_type,
                    kind=KINDS.get(node.op_type, "other"),
                    inputs=tuple(node.input),
                    outputs=tuple(node.output),
                )
                for node in graph.node
            ),
            inputs=tuple(value.name for value in graph.input),
            outputs=tuple(value.name for value in graph.output),
            constants=frozenset(tensor.name for tensor in graph.initializer),
            integer_kernels=INTEGER_KERNELS,
        )

    def _open(self, model: Path | bytes, threads: int, *, as_written: bool) -> Any:
        """What has `get_inputs`, `get_outputs` and `run` of an inference session."""
        return inference_session(model, threads, as_written=as_written, level=self._level)

    def _optimized(self) -> onnx.ModelProto:
        """The graph of the file as it is executed."""
        return optimized_graph(self._source)

    def _execute(self, images: Images, names: Sequence[str]) -> Sequence[Array]:
        parts = parts_of(self._source, images, [value.shape for value in self._inputs])
        feeds = {
            value.name: as_taken(part, value.shape, pixels=value.type == _PIXELS)
            for value, part in zip(self._inputs, parts, strict=True)
        }
        try:
            outputs: Sequence[Array] = self._session.run(list(names), feeds)
        except BackendUnavailable:  # the process of another CPU ended
            raise
        except Exception as error:  # the binding raises a dozen types of its own
            found = ", ".join(f"{value.name!r} is {value.shape}" for value in self._inputs)
            raise InputError(
                f"{where(self._source)} cannot run images of shape {list(images.shape)} (its input "
                f"{found}): {first_line(error)}"
            ) from error
        return outputs


def optimized_graph(model: Path | bytes) -> onnx.ModelProto:
    """The graph ONNX Runtime executes on this machine at its default optimisation level.

    Raises:
        InputError: ONNX Runtime does not accept the file.
    """
    with scratch_folder() as folder:
        path = folder / "optimized.onnx"
        inference_session(model, threads=1, save_to=path)
        return onnx.load(path)


def inference_session(
    model: Path | bytes,
    threads: int,
    save_to: Path | None = None,
    *,
    as_written: bool = False,
    level: str = _DEFAULT,
    profile_to: Path | None = None,
) -> onnxruntime.InferenceSession:
    """Load a file on the CPU.

    Args:
        model: the file.
        threads: of a single operator.
        save_to: where the optimised graph is written.
        as_written: Q/DQ are computed one by one, as ONNX defines them.
        level: of optimisation.
        profile_to: what the name of the profiler's file begins with; None: nothing is profiled.

    Raises:
        InputError: ONNX Runtime does not accept the file.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _QUIET
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = _LEVELS[level]
    if as_written:
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    if profile_to is not None:
        options.enable_profiling, options.profile_file_prefix = True, str(profile_to)
    if save_to is not None:
        options.optimized_model_filepath = str(save_to)
    source = model if isinstance(model, bytes) else str(model)
    try:
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the binding raises a dozen types of its own
        raise InputError(
            f"{where(model)}: ONNX Runtime {onnxruntime.__version__} does not load it: {first_line(error)}; correct "
            "that node, or write the file again"
        ) from error


def _with_outputs(model: Path | bytes, names: Sequence[str]) -> tuple[bytes, list[str]]:
    """A copy of the file that also returns inner tensors, and those; their types are left for the runtime to infer."""
    proto = onnx.load_from_string(model) if isinstance(model, bytes) else onnx.load(model)
    there = {output.name for output in proto.graph.output}
    computed = {name for node in proto.graph.node for name in node.output}
    if missing := [name for name in names if name not in computed]:
        raise InputError(f"{where(model)} computes no tensor named {', '.join(missing)}; name outputs of its nodes")
    inner = [name for name in names if name not in there]
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in inner)
    return NamedBytes(proto.SerializeToString(), where(model)), inner


def _batch_inputs(session: onnxruntime.InferenceSession, name: str) -> list[onnxruntime.NodeArg]:
    inputs: list[onnxruntime.NodeArg] = session.get_inputs()
    batches = (value.type in ("tensor(float)", _PIXELS) and len(value.shape) >= 2 for value in inputs)
    if not inputs or not all(batches):
        found = ", ".join(f"{value.name}: {value.type}{value.shape}" for value in inputs)
        raise InputError(f"{name} takes {found}; give a network that takes batches of float or uint8")
    if empty := [value for value in inputs if 0 in value.shape]:
        raise InputError(
            f"the input {empty[0].name} of {name} is {empty[0].shape}, which no image fits; write the file again"
        )
    return inputs
