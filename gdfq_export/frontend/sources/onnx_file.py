"""A float network from an .onnx file, its external data included."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import Message
from onnx import external_data_helper

from gdfq_export.errors import InputError

_LFS = b"version https://git-lfs"


def read_onnx(path: Path) -> onnx.ModelProto:
    """Read `path`; weights stored beside it are loaded.

    Raises:
        InputError: the file cannot be read, is no ONNX model, holds names that are no text, or its external data is
            missing or short.
    """
    try:
        proto = onnx.load(path, load_external_data=False)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist; give the path of an .onnx file") from error
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder; give the path of an .onnx file in it") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}; check its permissions") from error
    except Exception as error:  # protobuf's DecodeError, whose module has no type hints
        if path.read_bytes()[: len(_LFS)] == _LFS:
            raise InputError(f"{path} is a pointer of Git LFS, not the file it stands for; run git lfs pull") from error
        raise InputError(f"{path} is no ONNX model or is damaged or cut short; export or copy it again") from error
    if not proto.graph.node:
        raise InputError(f"{path} is no ONNX model or holds no operators; export or copy it again")
    for name in _undecodable(proto):
        raise InputError(f"{path} holds the name {name!r}, which is not UTF-8, or is damaged; export or copy it again")
    _require_external_data(proto, path)
    try:
        external_data_helper.load_external_data_for_model(proto, str(path.parent))
    except Exception as error:  # ValidationError, OSError or ValueError, by what is wrong with the data file
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"cannot read the external data of {path} ({reason}); copy its data file again") from error
    return proto


def _undecodable(message: Message) -> Iterator[bytes]:
    """Strings in a message and the messages in it that are no UTF-8; proto2 accepts them and gives them as bytes."""
    for field, value in message.ListFields():
        items: list[Any] = [value] if isinstance(value, (str, bytes, Message)) else value
        if field.type == field.TYPE_STRING:
            yield from (item for item in items if isinstance(item, bytes))
        elif field.type == field.TYPE_MESSAGE:
            for item in items:
                yield from _undecodable(item)


def _require_external_data(proto: onnx.ModelProto, path: Path) -> None:
    for tensor in proto.graph.initializer:
        if not external_data_helper.uses_external_data(tensor):
            continue
        info = external_data_helper.ExternalDataInfo(tensor)
        data = path.parent / info.location
        if not data.is_file():
            raise InputError(
                f"the weight {tensor.name} of {path} is stored in {data}, which does not exist; "
                "copy that file next to it"
            )
        end = (info.offset or 0) + (info.length or 0)
        if data.stat().st_size < end:
            raise InputError(
                f"the weight {tensor.name} of {path} is stored in {data}, which is cut short "
                f"({data.stat().st_size} of at least {end} bytes); copy that file again"
            )
