"""A model that a worker process has loaded, with the three methods of an inference session that are needed here."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gdfq_export.runtimes.base import Array
from gdfq_export.runtimes.emulation.process import WorkerProcess

_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class ValueInfo:
    """An input or output; `type` as ONNX Runtime writes it, sizes of `shape` that are open are strings or None."""

    name: str
    type: str
    shape: Sequence[int | str | None]


class LoadedModel:
    """A model in the memory of a worker; freed there when this object is.

    Args:
        worker: the process.
        model: bytes of an ONNX file.
        as_written: whether Q/DQ are computed one by one, as ONNX defines them.
        file: its name for messages.

    Raises:
        RequestRefused: ONNX Runtime does not load it.
    """

    def __init__(self, worker: WorkerProcess, model: bytes, *, as_written: bool = False, file: str = "") -> None:
        self._worker, self._file = worker, file
        self._number = next(_numbers)
        inputs, outputs = worker.request("load", self._number, bytes(model), as_written, file=file)
        self._inputs, self._outputs = ([ValueInfo(*each) for each in values] for values in (inputs, outputs))
        weakref.finalize(self, worker.release, self._number)

    def get_inputs(self) -> list[ValueInfo]:
        """Its inputs."""
        return self._inputs

    def get_outputs(self) -> list[ValueInfo]:
        """Its outputs."""
        return self._outputs

    def run(self, output_names: Sequence[str], feeds: Mapping[str, Any]) -> list[Array]:
        """The named outputs (none: all) for arrays by input name."""
        found: list[Array] = self._worker.request("run", self._number, dict(feeds), [*output_names], file=self._file)
        return found
