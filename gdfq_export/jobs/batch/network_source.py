"""A network by what a user writes of it: small enough to be sent to another machine, which loads it itself."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from gdfq_export.errors import InputError
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.sources import load_model
from gdfq_export.frontend.sources.model_name import FILES, require_model
from gdfq_export.support.files import require_regular, sha256_file


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSource:
    """A float network and its preprocessing, as `gdfq_export.load` takes them.

    Attributes:
        model: path to `.onnx` or `.pt2`, `package.module:callable`, a published network's name, or None for the demo.
        scale: pixels 0..255 are divided by it.
        mean: subtracted after scaling, one number or one per channel.
        std: divides after that.
        input_shape: of one image (C, H, W); of several inputs pairs of name and shape.
        keep_batch: a fixed batch of the file is kept.
        task: what the outputs mean.
        decode: of a detector, `package.module:function`.
    """

    model: str | None = None
    scale: float | None = None
    mean: float | tuple[float, ...] | None = None
    std: float | tuple[float, ...] | None = None
    input_shape: tuple[int, ...] | tuple[tuple[str, tuple[int, ...]], ...] | None = None
    keep_batch: bool = False
    task: str | None = None
    decode: str | None = None

    @classmethod
    def of(cls, model: str | None, **options: Any) -> NetworkSource:
        """The source with the arguments of `gdfq_export.load`; lists and mappings are kept as tuples.

        >>> NetworkSource.of("net.onnx", input_shape={"left": [3, 8, 8]}).input_shape
        (('left', (3, 8, 8)),)
        """
        return cls(model=model, **{name: _frozen(value) for name, value in options.items()})

    @property
    def name(self) -> str:
        """Short name: a file's without its suffix, a published network's without its zoo."""
        if self.model is None:
            return "demo"
        path = Path(self.model)
        return path.stem if path.suffix.lower() in FILES else self.model.rpartition(":")[2]

    @property
    def path(self) -> Path | None:
        """The file, where it is one."""
        return Path(self.model) if self.model is not None and Path(self.model).suffix.lower() in FILES else None

    @property
    def options(self) -> dict[str, Any]:
        """All but `model`, as `load_model` takes it."""
        options = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "model"}
        shape = self.input_shape
        if shape and isinstance(shape[0], tuple):
            options["input_shape"] = dict(shape)
        return options

    @property
    def preprocessing(self) -> str:
        """What is said of it beside the file, for its identity."""
        return json.dumps(self.options, sort_keys=True)

    def sha256(self) -> str:
        """Hex SHA-256 of all bytes that `load` reads: the file, its external data, its sidecar.

        Of a network that is no file: of its name, and of the version of the package that makes it.

        Raises:
            InputError: there is no such network.
        """
        require_model(self.model)
        path = self.path
        if path is None:
            package = (self.model or "gdfq_export").partition(":")[0].partition(".")[0]
            return hashlib.sha256(f"{self.model} {_version_of(package)}".encode()).hexdigest()
        digest = hashlib.sha256()
        for file in (path, *_external_data(path), path.with_suffix(".json")):
            if file == path or file.is_file():
                require_regular(file, "give a file")
                digest.update(sha256_file(file).encode())
        return digest.hexdigest()

    def load(self) -> FloatModel:
        """The network, ready to quantize.

        Raises:
            InputError: it cannot be used.
        """
        return load_model(self.model, **self.options)


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return tuple((name, _frozen(entry)) for name, entry in value.items())
    return tuple(value) if isinstance(value, list) else value


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _external_data(path: Path) -> Iterator[Path]:
    """Files beside an ONNX file that hold its weights; none of a file that cannot be parsed."""
    if path.suffix.lower() != ".onnx":
        return
    import onnx
    from google.protobuf.message import DecodeError
    from onnx.external_data_helper import ExternalDataInfo, uses_external_data

    try:
        proto = onnx.load(path, load_external_data=False)
    except (DecodeError, OSError, ValueError) as error:
        raise InputError(f"{path} is no ONNX file ({type(error).__name__}); export it again") from error
    tensors = [tensor for tensor in proto.graph.initializer if uses_external_data(tensor)]
    yield from sorted({path.parent / ExternalDataInfo(tensor).location for tensor in tensors})
