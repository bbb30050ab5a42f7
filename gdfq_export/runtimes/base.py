"""What a runtime must offer so that a file can be verified on it.

A `Session` (`session.py`) is one loaded file. It returns outputs, named tensors, and `ExecutedGraph`: the graph the
runtime executes after its own optimization, the only reliable source of what runs on integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from gdfq_export.runtimes.session import Session

HOST_CLOCK = "the clock of the process that runs it"

Kind = Literal["integer compute", "float compute", "quantize", "dequantize", "layout", "other"]
"""Compute is convolutions and matrix products; layout is data movement, mostly the runtime's own."""

Images = NDArray[np.float32]
"""Network input, normalised, `[N, C, H, W]`."""

Output = NDArray[np.float32]
"""One output of a network, `[N, ...]`."""

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutedNode:
    """One operation as the runtime executes it; empty optional inputs are `""`."""

    name: str
    op_type: str
    kind: Kind
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutedGraph:
    """The runtime's optimised graph, nodes in execution order.

    `integer_kernels` are the ONNX operators between Q/DQ that the runtime can turn into integer ones, whether or not it
    did so here.
    """

    runtime: str
    nodes: tuple[ExecutedNode, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    constants: frozenset[str]
    integer_kernels: frozenset[str]


class Backend(Protocol):
    """A runtime on this machine; `title` is its name as its makers write it."""

    name: str
    title: str

    def require(self) -> None:
        """Do nothing where the runtime can be used.

        Raises:
            BackendUnavailable: the runtime is not installed, or its device is missing.
        """
        ...

    def examine(self, model: Path | bytes) -> ExecutedGraph:
        """The graph as this runtime executes it, found without running it.

        Raises:
            InputError: the runtime does not accept the file.
            BackendUnavailable: this machine cannot tell; the message says what is missing.
        """
        ...

    def load(self, model: Path | bytes, threads: int, *, taps: Sequence[str] = ()) -> Session:
        """Load a file; `taps` are inner tensors that `run_tensors` can return as well.

        Raises:
            InputError: the runtime does not accept the file.
            BackendUnavailable: the runtime is not installed, or its device is missing.
        """
        ...
