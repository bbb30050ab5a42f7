"""The header of a built engine, read without TensorRT: the package that built it, its version, its length.

The first four bytes name the package (`ftrt` TensorRT, as its own trtexec checks; `vtrt` TensorRT-RTX), bytes 24 to 27
are the four numbers of the version in both. Bytes 16 to 23 of TensorRT-RTX's are the length of the file (measured with
1.7); TensorRT's layout of the length is not known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from gdfq_export.errors import BackendUnavailable, InputError
from gdfq_export.runtimes.session import where
from gdfq_export.runtimes.tensorrt.package import PACKAGES, Package, find_package, reason_against_gpu
from gdfq_export.support.files import require_regular

_PACKAGES = {b"ftrt": PACKAGES[0], b"vtrt": PACKAGES[1]}
_SUFFIXES = frozenset({".plan", ".engine", ".trt"})
_HEADER, _LENGTH, _VERSION = 28, slice(16, 24), slice(24, 28)
_STATES_LENGTH = PACKAGES[1]
_EXTRAS = {PACKAGES[0]: "gdfq-export[tensorrt]", PACKAGES[1]: "gdfq-export[tensorrt-rtx]"}


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFile:
    """An engine as it was found; `name` is its path, `version` that of the package which built it, as `1.7.1.116`."""

    name: str
    data: bytes
    package: str
    version: str

    @property
    def title(self) -> str:
        """The package that built it, with its version."""
        return f"{self.package} {self.version}"


def is_engine(model: Path | bytes) -> bool:
    """Whether this is an engine and no ONNX file: by its first bytes or, where those say nothing, by its name.

    Raises:
        InputError: the path is a folder, a pipe or a device.
    """
    if isinstance(model, bytes):
        return model[:4] in _PACKAGES
    try:
        require_regular(model, "give an ONNX file or an engine")
        with model.open("rb") as stream:
            first = stream.read(4)
    except (OSError, ValueError):  # ValueError: a NUL in the name
        first = b""
    return first in _PACKAGES or model.suffix.lower() in _SUFFIXES


def read_engine(model: Path | bytes) -> EngineFile:
    """Read an engine, or take one that was read; nothing of TensorRT is needed.

    Raises:
        InputError: the file cannot be read, is no engine, or is shorter or longer than it says.
    """
    name = where(model)
    try:
        if not isinstance(model, bytes):
            require_regular(model, "give an engine")
        data = model if isinstance(model, bytes) else model.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {name}: {error.strerror or error}; check its name and permissions") from error
    again = "copy it again, or build it with gdfq-export build"
    package = _PACKAGES.get(data[:4])
    if package is None:
        raise InputError(f"{name} is no engine of TensorRT or is damaged: it begins with {data[:4]!r}; {again}")
    stated = int.from_bytes(data[_LENGTH], "little") if package == _STATES_LENGTH else len(data)
    if len(data) < _HEADER or len(data) != stated:
        said = f" where it states {stated:,}" if len(data) >= _HEADER else ""
        raise InputError(f"{name} is damaged or cut short: it has {len(data):,} bytes{said}; {again}")
    return EngineFile(name=name, data=data, package=package, version=".".join(map(str, data[_VERSION])))


def require_package(engine: EngineFile) -> Package:
    """The installed package that runs `engine`: the one that built it, in the version that built it.

    Raises:
        BackendUnavailable: it is not installed, or in another version; the message names both.
    """
    try:
        package = find_package(engine.package)
    except BackendUnavailable as error:
        raise BackendUnavailable(
            f"{engine.name} was built by {engine.title}, and {engine.package} is not installed or does not load: "
            f"pip install '{_EXTRAS[engine.package]}', in that version; the ONNX file that it was built from can be "
            "verified without"
        ) from error
    numbers = [int(number) % 256 for number in re.findall(r"\d+", package.version)[:4]]  # a byte each in the engine
    if numbers and numbers != [int(number) for number in engine.version.split(".")][: len(numbers)]:
        raise BackendUnavailable(
            f"{engine.name} was built by {engine.title}, and {package.title} is installed; an engine runs in the "
            f"version that built it: pip install {engine.package.replace('_', '-')}=={engine.version}, or build it "
            "again here with gdfq-export build"
        )
    return package


def require_runs_here(engine: EngineFile) -> None:
    """Do nothing where an engine can be given to a GPU; whether that GPU takes it, only TensorRT can tell.

    Raises:
        BackendUnavailable: the package that built it, that version of it, or a GPU is missing.
    """
    require_package(engine)
    if reason := reason_against_gpu():
        raise BackendUnavailable(
            f"{engine.name} is an engine of {engine.title}, which runs on NVIDIA GPUs only: {reason}; verify it on "
            "its device, and here the ONNX file that it was built from"
        )
