"""Attributes that end the process or run without end in the libraries that read them, refused beforehand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import Message
from onnx import numpy_helper

from gdfq_export.errors import InputError

_AT_LEAST_ONE = frozenset({"strides", "kernel_shape", "dilations", "group", "blocksize"})
_MOST_ROUNDS = 1_000_000


def messages(message: Message, kind: type[Any]) -> Iterator[Any]:
    """Every message of a kind in a message, of inner graphs and functions too."""
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for item in [value] if isinstance(value, Message) else value:
                if isinstance(item, kind):
                    yield item
                yield from messages(item, kind)


def require_sound_nodes(proto: onnx.ModelProto, path: Path) -> None:
    """Look at the attributes of every node.

    A stride of 0 is divided by in ONNX's shape inference, which ends the process.

    Raises:
        InputError: a size is below 1, an attribute stands for an argument outside a function, or a Loop runs more than
            a million times.
    """
    _require_sizes(proto, path)
    for attribute in messages(proto.graph, onnx.AttributeProto):
        if attribute.ref_attr_name:
            raise InputError(
                f"the attribute {attribute.name[:80]!r} of a node of {path} stands for an argument of a function, "
                "outside of one; export it again"
            )
    _require_short_loops(proto.graph, path)


def _require_sizes(proto: onnx.ModelProto, path: Path) -> None:
    for node in messages(proto, onnx.NodeProto):
        for attribute in node.attribute:
            if attribute.name in _AT_LEAST_ONE and min(attribute.ints, default=attribute.i or 1) < 1:
                named = node.name[:80] or node.op_type[:80]
                raise InputError(f"{attribute.name} of the node {named} of {path} is below 1; export it again")


def _require_short_loops(graph: onnx.GraphProto, path: Path) -> None:
    """Loops whose number of rounds is stored; what others do depends on the image."""
    stored = {tensor.name: tensor for tensor in graph.initializer}
    for node in messages(graph, onnx.NodeProto):
        rounds = stored.get(node.input[0]) if node.op_type == "Loop" and node.input else None
        if rounds is not None and _number(rounds) > _MOST_ROUNDS:
            named = node.name[:80] or next(iter(node.output), "")[:80]
            raise InputError(
                f"the Loop {named} of {path} runs more than {_MOST_ROUNDS:,} times; export the network without it"
            )


def _number(tensor: onnx.TensorProto) -> int:
    try:
        return int(numpy_helper.to_array(tensor).reshape(-1)[0])
    except (IndexError, TypeError, ValueError):  # a damaged tensor, which is named where it is read
        return 0
