"""TensorRT and TensorRT-RTX: engines (`build_engine`, `read_engine`), and runs on a GPU; `lint.py` knows the rules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gdfq_export.errors import BackendUnavailable, InputError
from gdfq_export.runtimes.base import ExecutedGraph
from gdfq_export.runtimes.tensorrt.build import Engine, build_engine
from gdfq_export.runtimes.tensorrt.engine_file import (
    EngineFile,
    is_engine,
    read_engine,
    require_package,
    require_runs_here,
)
from gdfq_export.runtimes.tensorrt.package import find_package, reason_against_gpu

if TYPE_CHECKING:
    from gdfq_export.runtimes.tensorrt.session import TensorRtSession

_BATCH = 64


class TensorRt:
    """`tensorrt` 10 or 11, or `tensorrt_rtx`, with an NVIDIA GPU."""

    name = "tensorrt"
    title = "TensorRT"

    def require(self) -> None:
        """Do nothing where engines can be built and run.

        Raises:
            BackendUnavailable: TensorRT or a GPU is missing; the message says which.
        """
        if reason := reason_against_gpu():
            raise BackendUnavailable(f"TensorRT runs on NVIDIA GPUs only: {reason}")
        find_package()

    def examine(self, model: Path | bytes) -> ExecutedGraph:
        """The layers of an engine that is built for the purpose; TensorRT-RTX needs no GPU for that.

        One that is built already is loaded, which needs a GPU.

        Raises:
            InputError: TensorRT refuses the file; the message names the node.
            BackendUnavailable: TensorRT is missing, or needs a GPU to build, or does not list the layers.
        """
        if is_engine(model):
            return self.load(model, 1).describe()
        built = build_engine(model)
        if built.graph is None:
            raise BackendUnavailable(f"{built.runtime} does not list the layers of an engine while it builds it")
        return built.graph

    def load(
        self, model: Path | bytes, threads: int, *, taps: Sequence[str] = (), batch: int = _BATCH
    ) -> TensorRtSession:
        """Load an engine, or build one of an ONNX file and load that; `threads` mean nothing to a GPU.

        Raises:
            InputError: TensorRT does not accept the file, or inner tensors are asked for.
            BackendUnavailable: TensorRT or a GPU is missing.
        """
        if taps:
            raise InputError("an engine of TensorRT has no inner tensors; leave `taps` empty")
        if is_engine(model):
            engine = read_engine(model)
            require_runs_here(engine)
            from gdfq_export.runtimes.tensorrt.session import TensorRtSession

            return TensorRtSession(model, engine.data, require_package(engine))
        self.require()
        from gdfq_export.runtimes.tensorrt.session import TensorRtSession

        built = build_engine(model, batches=(1, 1, batch))
        return TensorRtSession(model, built.data, find_package(), graph=built.graph)
