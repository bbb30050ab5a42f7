"""TensorRT and TensorRT-RTX: engines (`build_engine`), and runs on a GPU; what they refuse says `lint.py`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gdfq_export.backends.base import ExecutedGraph
from gdfq_export.backends.finding import Consequence, Finding
from gdfq_export.backends.tensorrt.build import Engine, build_engine
from gdfq_export.backends.tensorrt.package import find_package, reason_against_gpu
from gdfq_export.errors import BackendUnavailable, InputError

if TYPE_CHECKING:
    from gdfq_export.backends.tensorrt.session import TensorRtSession

__all__ = ["Consequence", "Engine", "Finding", "TensorRt", "build_engine", "reason_against_gpu"]

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

        Raises:
            InputError: TensorRT refuses the file; the message names the node.
            BackendUnavailable: TensorRT is missing, or needs a GPU to build, or does not list the layers.
        """
        built = build_engine(model)
        if built.graph is None:
            raise BackendUnavailable(f"{built.runtime} does not list the layers of an engine while it builds it")
        return built.graph

    def load(
        self, model: Path | bytes, threads: int, *, taps: Sequence[str] = (), batch: int = _BATCH
    ) -> TensorRtSession:
        """Build an engine and load it; `threads` mean nothing to a GPU.

        Raises:
            InputError: TensorRT does not accept the file, or inner tensors are asked for.
            BackendUnavailable: TensorRT or a GPU is missing.
        """
        self.require()
        if taps:
            raise InputError("an engine of TensorRT has no inner tensors; leave `taps` empty")
        from gdfq_export.backends.tensorrt.session import TensorRtSession

        return TensorRtSession(model, batch)
