"""Data-free low-bit quantization of image classifiers and their export to ONNX."""

from __future__ import annotations

from gdfq_export.support.telemetry import disable_telemetry

__all__ = ["__version__"]

__version__ = "0.1.0"

disable_telemetry()
