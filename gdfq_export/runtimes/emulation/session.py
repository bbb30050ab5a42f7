"""ONNX Runtime on another CPU as a runtime like those of this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx

from gdfq_export.errors import InputError
from gdfq_export.runtimes.base import ExecutedGraph
from gdfq_export.runtimes.emulation.emulator import Emulator
from gdfq_export.runtimes.emulation.loaded_model import LoadedModel
from gdfq_export.runtimes.emulation.process import REQUEST_SECONDS, RequestRefused, WorkerProcess
from gdfq_export.runtimes.onnxruntime import OrtSession
from gdfq_export.runtimes.session import first_line, where

_BATCH = 8  # images that go to the other process at a time, and their tensors back


class EmulatedOnnxRuntime:
    """ONNX Runtime on the CPU called `cpu`.

    Args:
        emulator: the installed one.
        cpu: a name of `CPUS`.
        seconds: that its process may take for one request, a batch of images for instance, before it is ended.

    Raises:
        InputError: there is no such CPU.
    """

    def __init__(self, emulator: Emulator, cpu: str, seconds: float = REQUEST_SECONDS) -> None:
        self._worker = emulator.worker(cpu)
        self._worker.seconds = seconds
        self.name = f"onnxruntime-{cpu}"
        self.title = f"ONNX Runtime on {cpu}"

    def require(self) -> None:
        """Start the process.

        Raises:
            BackendUnavailable: it does not start.
        """
        self._worker.request("versions")

    def examine(self, model: Path | bytes) -> ExecutedGraph:
        """The graph as it is executed; what `load` raises."""
        return self.load(model, 1).describe()

    def load(
        self, model: Path | bytes, threads: int, *, taps: Sequence[str] = (), batch: int = _BATCH
    ) -> EmulatedSession:
        """Load a file; it runs on one thread, whatever `threads` says.

        Raises:
            InputError: ONNX Runtime does not accept the file.
            BackendUnavailable: the process does not start, ended, or did not answer in time.
        """
        return EmulatedSession(model, threads, taps=taps, batch=batch, worker=self._worker, title=self.title)


class EmulatedSession(OrtSession):
    """One file in ONNX Runtime on another CPU."""

    def __init__(
        self,
        model: Path | bytes,
        threads: int,
        *,
        taps: Sequence[str] = (),
        batch: int = _BATCH,
        worker: WorkerProcess,
        title: str,
    ) -> None:
        self._worker, self._title = worker, title
        super().__init__(model, threads, taps=taps, batch=batch)

    def _open(self, model: Path | bytes, threads: int, *, as_written: bool) -> Any:
        del threads
        try:
            return LoadedModel(self._worker, _bytes(model), as_written=as_written, file=where(model))
        except RequestRefused as error:
            raise InputError(
                f"{where(model)}: {self._title} does not load it: {first_line(error)}; correct that node, or write the "
                "file again"
            ) from error

    def _optimized(self) -> onnx.ModelProto:
        return onnx.load_from_string(self._worker.request("optimized", _bytes(self._source), file=where(self._source)))


def _bytes(model: Path | bytes) -> bytes:
    return bytes(model) if isinstance(model, bytes) else model.read_bytes()
