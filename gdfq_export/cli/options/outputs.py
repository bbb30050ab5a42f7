"""Checks on where results go, made before any work is done."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gdfq_export.errors import InputError
from gdfq_export.support.files import require_space, require_writable, writes_through


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


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeOutputs:
    """Where the results of quantize go; None is not written."""

    onnx: Path | None
    report: Path | None
    html: Path | None
    bundle: Path | None

    @property
    def files(self) -> list[Path]:
        """Those that are files."""
        return [path for path in (self.onnx, self.report, self.html) if path is not None]

    @property
    def first(self) -> Path | None:
        """What the others are beside."""
        return self.onnx or self.bundle

    def __str__(self) -> str:
        return " and ".join(map(str, [*self.files, *([self.bundle] if self.bundle else [])]))

    def with_defaults(self, model: str | None, bits: int) -> QuantizeOutputs:
        """With an ONNX file where nothing is asked for, and a report beside the ONNX file."""
        onnx = self.onnx
        if onnx is None and self.bundle is None:
            onnx = default_output(model, bits)
        report = self.report
        if report is None and onnx is not None and not writes_through(onnx):
            report = onnx.parent / "report.json"
        return replace(self, onnx=onnx, report=report)


def require_room(outputs: QuantizeOutputs, model: str | None, bits: int) -> None:
    """Fail unless the least that weights of `bits` bits take, and a bundle's copy of the float network, have space.

    Raises:
        InputError: a disk is too full.
    """
    size = Path(model).stat().st_size if model is not None and Path(model).is_file() else 0
    least = size * bits // 32
    if outputs.onnx is not None and not writes_through(outputs.onnx):
        require_space(outputs.onnx, least)
    if outputs.bundle is not None:
        require_space(outputs.bundle, size + least)


def require_outputs(outputs: Sequence[Path | None], inputs: Sequence[str | Path | None]) -> None:
    """Fail unless every output can be written and none would replace an input or another output.

    Raises:
        InputError: an output cannot be written, or stands for two files.
    """
    taken = {os.path.realpath(path) for path in inputs if path is not None}
    for output in filter(None, outputs):
        place = os.path.realpath(output)
        if place in taken and not writes_through(output):
            raise InputError(f"{output} would be overwritten but this run also reads or writes it; choose another name")
        taken.add(place)
        require_writable(output)
