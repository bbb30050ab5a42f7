"""Mutations of ONNX models along protobuf's fields: numbers, texts, repeated entries, tensors, whole messages."""

from __future__ import annotations

from random import Random
from typing import Any

import onnx
from google.protobuf.message import Message

from bench.fuzz.mutate_bytes import mutate_bytes
from bench.fuzz.values import FLOATS, number, text

OPERATORS = (
    "Conv", "Relu", "Gemm", "MatMul", "Reshape", "Flatten", "Loop", "If", "ConstantOfShape", "Expand", "Tile", "Resize",
    "Pad", "Slice", "Gather", "QuantizeLinear", "DequantizeLinear", "BatchNormalization", "Split", "Transpose", "Cast",
    "NonMaxSuppression", "Range", "TopK", "Foo", "",
)  # fmt: skip


def mutate_onnx(data: bytes, random: Random) -> bytes:
    """Change a model in one to three fields; sometimes its bytes."""
    if random.random() < 0.1:
        return mutate_bytes(data, random)
    model = onnx.load_from_string(data)
    for _ in range(random.choice((1, 1, 2, 3))):
        message, field = random.choice(_fields(model))
        _change(message, field, random)
    return model.SerializeToString()


def _fields(message: Message) -> list[tuple[Message, Any]]:
    """Set fields of a message and of those in it, and fields that are not set; tensors' values count once."""
    found: list[tuple[Message, Any]] = []
    for field in message.DESCRIPTOR.fields:
        found.append((message, field))
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for item in [value] if isinstance(value, Message) else value:
                found += _fields(item)
    return found


def _change(message: Message, field: Any, random: Random) -> None:
    value = getattr(message, field.name)
    repeated = not isinstance(value, Message | int | float | str | bytes)
    try:
        if field.name == "op_type":
            setattr(message, field.name, random.choice(OPERATORS))
        elif not repeated and field.type != field.TYPE_MESSAGE:
            setattr(message, field.name, _scalar(field, value, random))
        elif not repeated:
            message.ClearField(field.name)
        elif len(value) and random.random() < 0.3:
            del value[random.randrange(len(value))]
        elif field.type != field.TYPE_MESSAGE:
            _change_entry(field, value, random)
        elif len(value):
            value.add().CopyFrom(random.choice(value))
    except (TypeError, ValueError):  # a number that the field does not hold, a message that is not of its kind
        message.ClearField(field.name)


def _change_entry(field: Any, value: Any, random: Random) -> None:
    if not len(value) or random.random() < 0.2:
        value.append(_scalar(field, b"" if field.type == field.TYPE_BYTES else 0, random))
        return
    index = random.randrange(len(value))
    other = value[random.randrange(len(value))]
    value[index] = other if random.random() < 0.2 else _scalar(field, value[index], random)


def _scalar(field: Any, value: Any, random: Random) -> Any:
    if field.type == field.TYPE_STRING:
        return text(random).encode(errors="replace").decode()
    if field.type == field.TYPE_BYTES:
        return mutate_bytes(bytes(value), random)
    if field.type in (field.TYPE_FLOAT, field.TYPE_DOUBLE):
        return random.choice(FLOATS)
    small = field.type in (field.TYPE_INT32, field.TYPE_ENUM)
    return random.randrange(25) if small and random.random() < 0.8 else number(random)
