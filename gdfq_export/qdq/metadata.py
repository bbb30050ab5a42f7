"""What a file says of itself in ONNX's metadata, if this tool wrote it: target, recipe, seed, preprocessing."""

from __future__ import annotations

from collections.abc import Mapping

import onnx

_PREFIX = "gdfq_export."


def as_metadata(facts: Mapping[str, str]) -> dict[str, str]:
    """Facts under the keys that they have in a file."""
    return {f"{_PREFIX}{key}": value for key, value in facts.items()}


def own_metadata(model: onnx.ModelProto) -> dict[str, str]:
    """The facts of a file by their keys; empty for a file of another tool."""
    entries = ((entry.key, entry.value) for entry in model.metadata_props)
    return {key.removeprefix(_PREFIX): value for key, value in entries if key.startswith(_PREFIX)}
