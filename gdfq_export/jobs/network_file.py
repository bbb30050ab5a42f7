"""A network as a runtime loads it: the bytes of an ONNX file beside its parsed graph, or an engine."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import onnx

from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.frontend.passes.accepted_forms.image_input import FLOAT_IMAGES, in_form
from gdfq_export.frontend.passes.batch.symbolic_batch import with_fixed_batch
from gdfq_export.qdq.reader.model import QdqModel
from gdfq_export.qdq.writer import with_open_sizes
from gdfq_export.report.report import FileFacts
from gdfq_export.support.named_bytes import NamedBytes
from gdfq_export.targets import Target


@dataclass(frozen=True, kw_only=True)
class NetworkFile:
    """One file: parsed once, serialized once. `proto` is None for an engine; `data` carries the name for messages."""

    name: str
    data: bytes
    proto: onnx.ModelProto | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", NamedBytes(self.data, self.name))

    @classmethod
    def of(cls, proto: onnx.ModelProto, name: str) -> NetworkFile:
        """The file that holds `proto`; `name` is without its folder."""
        return cls(name=name, data=proto.SerializeToString(), proto=proto)

    @classmethod
    def of_float(cls, model: FloatModel) -> NetworkFile:
        """The float network, under its file's own name where there is one."""
        path = Path(model.source)
        return cls.of(model.original, path.name if path.suffix == ".onnx" else model.name)

    @cached_property
    def qdq(self) -> QdqModel | None:
        """The Q/DQ file, parsed once for every section that reads it; None for an engine."""
        return None if self.proto is None else QdqModel.of(self.proto, check=False)

    @property
    def facts(self) -> FileFacts:
        """Size in bytes and SHA-256."""
        return FileFacts(name=self.name, bytes=len(self.data), sha256=hashlib.sha256(self.data).hexdigest())


def in_source_form(
    proto: onnx.ModelProto, model: FloatModel, target: Target
) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Return the quantized network `proto` with the input of the file that `model` was read from.

    What it takes otherwise is said in sentences for the user: engines are built for float images of one size, channels
    first.
    """
    warnings = []
    opened = None if target.engine or target.batch else with_open_sizes(proto, model)
    if opened is None and model.open_sizes is not None:
        shapes = [spec.shape for spec in model.input_spec.by_name.values()] or [model.input_spec.shape]
        taken = " and ".join(" x ".join(map(str, shape)) for shape in shapes)
        warnings.append(
            f"{model.source} leaves the size of its input open, the quantized file takes {taken} only; for another "
            "size, quantize again with another --input-shape"
        )
    proto = opened or proto
    if model.file_batch is not None:
        proto = with_fixed_batch(proto, model.file_batch)
    if not target.engine:
        return in_form(proto, model.image_form), tuple(warnings)
    if model.image_form != FLOAT_IMAGES:
        warnings.append(f"{model.source} takes {model.image_form}, the file for {target.name} {FLOAT_IMAGES}")
    return proto, tuple(warnings)
