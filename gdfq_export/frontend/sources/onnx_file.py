"""A float network from an .onnx file, its external data included."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import Message
from onnx import external_data_helper

from gdfq_export.errors import InputError
from gdfq_export.frontend.sources.onnx_nodes import messages, require_sound_nodes
from gdfq_export.support.files import require_regular

_LFS = b"version https://git-lfs"


def read_onnx(path: Path) -> onnx.ModelProto:
    """Read `path`; weights stored beside it are loaded.

    Raises:
        InputError: the file cannot be read, is no ONNX model, holds names that are no text or attributes that no
            library survives, or its external data is missing, short or outside its folder.
    """
    require_regular(path, "give the path of an .onnx file")
    try:
        proto = onnx.load(path, load_external_data=False)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist; give the path of an .onnx file") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}; check its permissions") from error
    except Exception as error:  # protobuf's DecodeError, whose module has no type hints
        if _begins_with(path, _LFS):
            raise InputError(f"{path} is a pointer of Git LFS, not the file it stands for; run git lfs pull") from error
        raise InputError(f"{path} is no ONNX model or is damaged or cut short; export or copy it again") from error
    if not proto.graph.node:
        raise InputError(f"{path} is no ONNX model or holds no operators; export or copy it again")
    for name in _undecodable(proto):
        raise InputError(f"{path} holds the name {name!r}, which is not UTF-8, or is damaged; export or copy it again")
    require_sound_nodes(proto, path)
    try:
        for tensor in messages(proto, onnx.TensorProto):
            if external_data_helper.uses_external_data(tensor):
                _load_external(tensor, path)
    except InputError:
        raise
    except Exception as error:  # ValidationError, OSError or ValueError, by what is wrong with the data file
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"cannot read the external data of {path} ({reason}); copy its data file again") from error
    return proto


def _begins_with(path: Path, first: bytes) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(first)) == first


def _undecodable(message: Message) -> Iterator[bytes]:
    """Strings in a message and the messages in it that are no UTF-8; proto2 accepts them and gives them as bytes."""
    for field, value in message.ListFields():
        items: list[Any] = [value] if isinstance(value, (str, bytes, Message)) else value
        if field.type == field.TYPE_STRING:
            yield from (item for item in items if isinstance(item, bytes))
        elif field.type == field.TYPE_MESSAGE:
            for item in items:
                yield from _undecodable(item)


def _load_external(tensor: onnx.TensorProto, path: Path) -> None:
    """Put the values of a tensor that is stored beside the model into it.

    Raises:
        InputError: its file is missing, outside the model's folder, no regular file, or shorter than stated.
    """
    told = f"the weight {tensor.name} of {path} is stored in"
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location, (start, length) = entries.get("location", ""), _place(entries, told)
    folder = path.parent.resolve()
    data = folder / location
    if not location or data.is_symlink() or folder not in data.resolve().parents:
        raise InputError(f"{told} {location[:200]!r}, which is no file in the model's folder; export it again")
    if not data.exists():
        raise InputError(f"{told} {data}, which does not exist; copy that file next to it")
    require_regular(data, f"copy the data file of {path} again")
    size = data.stat().st_size
    if size < start + (length or 0):
        raise InputError(
            f"{told} {data}, which is cut short ({size} of at least {start + (length or 0)} bytes); "
            "copy that file again"
        )
    external_data_helper.load_external_data_for_tensor(tensor, str(folder))
    tensor.data_location = onnx.TensorProto.DEFAULT
    del tensor.external_data[:]


def _place(entries: dict[str, str], told: str) -> tuple[int, int | None]:
    """Offset and length in bytes; None for up to the end of the file."""
    numbers = []
    for key in ("offset", "length"):
        text = entries.get(key, "")
        if text and not (text.isascii() and text.isdigit() and len(text) < 20):
            raise InputError(f"{told} a file at the {key} {text[:80]!r}, which is no number of bytes; export it again")
        numbers.append(int(text) if text else None)
    return numbers[0] or 0, numbers[1]
