"""Runtimes behind one protocol: load a file, run images, and say what really executes."""

from __future__ import annotations

from gdfq_export.runtimes.base import Backend
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from gdfq_export.runtimes.openvino import OpenVino
from gdfq_export.runtimes.tensorrt import TensorRt

__all__ = ["BACKENDS", "find_backend", "runtime_title"]

BACKENDS: dict[str, Backend] = {
    backend.name: backend for backend in (OnnxRuntime(), OnnxRuntime(as_written=True), OpenVino(), TensorRt())
}


def find_backend(name: str) -> Backend:
    """The runtime called `name`, as a target's `backend` names it; it need not be installed."""
    return BACKENDS[name]


def runtime_title(name: str) -> str:
    """The runtime called `name` as its makers write it; a name of none is left as it is."""
    return BACKENDS[name].title if name in BACKENDS else name
