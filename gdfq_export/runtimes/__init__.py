"""Runtimes behind one protocol: load a file, run images, list what is executed."""

from __future__ import annotations

from gdfq_export.runtimes.base import Backend
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from gdfq_export.runtimes.openvino import OpenVino
from gdfq_export.runtimes.qnn import Qnn
from gdfq_export.runtimes.tensorrt import TensorRt

BACKENDS: dict[str, Backend] = {
    backend.name: backend for backend in (OnnxRuntime(), OnnxRuntime(as_written=True), OpenVino(), TensorRt(), Qnn())
}


def runtime_title(name: str) -> str:
    """The runtime's official name; an unknown name is returned unchanged.

    >>> runtime_title("onnxruntime")
    'ONNX Runtime'
    """
    return BACKENDS[name].title if name in BACKENDS else name
