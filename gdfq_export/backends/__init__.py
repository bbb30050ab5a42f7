"""Runtimes behind one protocol: load a file, run images, and say what really executes."""

from __future__ import annotations

from gdfq_export.backends.base import Backend

__all__ = ["find_backend"]


def find_backend(name: str) -> Backend:
    """The runtime called `name`, as a target's `backend` names it."""
    if name == "openvino":
        from gdfq_export.backends.openvino import OpenVino

        return OpenVino()
    from gdfq_export.backends.onnxruntime import OnnxRuntime

    assert name == OnnxRuntime.name
    return OnnxRuntime()
