"""Checks on where results go, made before any work is done."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from gdfq_export.errors import InputError
from gdfq_export.support.files import require_writable, writes_through

__all__ = ["default_output", "require_outputs", "sidecar_of"]


def sidecar_of(model: str | None) -> Path | None:
    """Where the preprocessing of MODEL lies if MODEL is a file."""
    return None if model is None else Path(model).parent / f"{Path(model).stem}.json"


def default_output(model: str | None, bits: int) -> Path:
    """Where the file goes unless told: `net.int8.onnx` beside `net.onnx`; by its name for a network of no file."""
    if model is None:
        return Path(f"demo.int{bits}.onnx")
    path = Path(model)
    if path.suffix.lower() in (".onnx", ".pt2"):
        return path.with_suffix(f".int{bits}.onnx")
    return Path(f"{model.rpartition(':')[2]}.int{bits}.onnx")


def require_outputs(outputs: Sequence[Path], inputs: Sequence[str | Path | None]) -> None:
    """Fail unless every output can be written and none would replace an input or another output.

    Raises:
        InputError: an output cannot be written, or stands for two files.
    """
    taken = {os.path.realpath(path) for path in inputs if path is not None}
    for output in outputs:
        place = os.path.realpath(output)
        if place in taken and not writes_through(output):
            raise InputError(f"{output} would be overwritten but this run also reads or writes it; choose another name")
        taken.add(place)
        require_writable(output)
