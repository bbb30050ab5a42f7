"""How two files of one network and recipe differ: bytes, stored integers, scales."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDifferences:
    """What differs.

    Attributes:
        same_bytes: nothing does.
        same_structure: nodes, names, types and shapes agree.
        integers: stored codes of weights and biases, and zero points.
        integers_differing: how many of them differ.
        largest_code_difference: in steps; of weights alone, since a bias has steps of a millionth.
        largest_scale_difference: relative.
    """

    same_bytes: bool
    same_structure: bool
    integers: int = 0
    integers_differing: int = 0
    largest_code_difference: int = 0
    largest_scale_difference: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


def file_differences(one: Path, other: Path) -> FileDifferences:
    """Compare two ONNX files."""
    same = one.read_bytes() == other.read_bytes()
    first, second = (onnx.load(path).graph for path in (one, other))
    arrays = [{each.name: numpy_helper.to_array(each) for each in graph.initializer} for graph in (first, second)]
    if _structure(first) != _structure(second):
        return FileDifferences(same_bytes=same, same_structure=False)
    integers = differing = code = 0
    scale = 0.0
    for name, left in arrays[0].items():
        right = arrays[1][name]
        if _is_float(left):
            if left.size:
                largest = np.abs(left).max() or 1.0
                scale = max(scale, float(np.abs(left - right).max() / largest))
            continue
        apart = np.abs(left.astype(np.int64) - right.astype(np.int64))
        integers, differing = integers + apart.size, differing + int(np.count_nonzero(apart))
        if apart.size and left.dtype != np.int32:
            code = max(code, int(apart.max()))
    return FileDifferences(
        same_bytes=same,
        same_structure=True,
        integers=integers,
        integers_differing=differing,
        largest_code_difference=code,
        largest_scale_difference=scale,
    )


def _is_float(array: NDArray[Any]) -> bool:
    return np.issubdtype(array.dtype, np.floating)


def _structure(graph: onnx.GraphProto) -> list[Any]:
    nodes = [(node.op_type, tuple(node.input), tuple(node.output)) for node in graph.node]
    return [nodes, sorted((each.name, each.data_type, tuple(each.dims)) for each in graph.initializer)]
