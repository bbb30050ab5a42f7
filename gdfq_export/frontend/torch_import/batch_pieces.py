"""A graph that is fixed to a batch of B images, in torch on any number of them: k pieces of B, the last one filled up.

1. A value of k pieces is that of each piece, one behind the other in the first axis; a number is then a vector.
2. What computes each row of the first axis alone (`works_on_rows`) takes all pieces at once.
3. All else (Reshape to constant sizes, Softmax across the batch) is computed piece by piece.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import onnx_ir as ir
import torch
from torch import Tensor

from gdfq_export.frontend.torch_import.cut import is_constant

_ON_NUMBERS = frozenset(
    {"Abs", "Add", "Clip", "Div", "Elu", "Erf", "Exp", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Mul", "Neg"}
    | {"PRelu", "Relu", "Sigmoid", "Softplus", "Sqrt", "Sub", "Tanh"}
)
_ON_IMAGES = frozenset(
    {"AveragePool", "BatchNormalization", "Conv", "ConvTranspose", "GlobalAveragePool", "GlobalMaxPool", "MaxPool"}
    | {"InstanceNormalization", "LRN"}
)
_ON_ROWS = frozenset({"Flatten", "Gemm", "MatMul"})


def filled_up(images: Tensor, batch: int) -> Tensor:
    """Images [N, ...] with the last one repeated, so that their number is a multiple of `batch`."""
    missing = -len(images) % batch
    return torch.cat([images, images[-1:].expand(missing, *images.shape[1:])]) if missing else images


def of_images(output: Tensor, images: Tensor, batch: int) -> Tensor:
    """What an output of filled up images has of `images` [N, ...], if its rows are those of images; else all of it."""
    filled = len(images) + -len(images) % batch
    if output.dim() == 0 or output.shape[0] % filled:
        return output
    return output[: output.shape[0] // filled * len(images)]


def works_on_rows(node: ir.Node) -> bool:
    """Whether each row of the node's result is that of the same row of what it reads."""
    result, read = node.outputs[0], [value for value in node.inputs if value is not None]
    if node.op_type in _ON_NUMBERS:
        return all(_broadcasts_in_rows(value, result) for value in read)
    if [value for value in read if not is_constant(value)] != read[:1]:
        return False
    if node.op_type in _ON_IMAGES:
        return True
    usual = node.attributes.get_int("axis", 1) == 1 and not node.attributes.get_int("transA", 0)
    fits = node.op_type in _ON_ROWS and usual and _rank(read[0]) > 1 and _first(read[0]) == _first(result)
    return fits and all(_broadcasts_in_rows(value, result) for value in read[2:])


def _broadcasts_in_rows(value: ir.Value, result: ir.Value) -> bool:
    if is_constant(value):
        return _rank(value) < _rank(result) or (_rank(value) > 0 and _first(value) == 1)
    return _rank(value) == _rank(result) > 0 and _first(value) == _first(result)


def in_pieces(function: Callable[..., Any], node: ir.Node, inputs: Sequence[ir.Value | None]) -> Callable[..., Any]:
    """A function of the values `inputs` of k pieces that computes `function`, which is the node's, for each of them."""
    rows = [None if value is None or is_constant(value) else (_rank(value), _first(value)) for value in inputs]

    def run(*values: Tensor | None, **options: Any) -> Any:
        split = [
            [value] if value is None or known is None else _split(value, known)
            for value, known in zip(values, rows, strict=True)
        ]
        count = max(map(len, split))
        results = [function(*(parts[index % len(parts)] for parts in split), **options) for index in range(count)]
        if isinstance(results[0], Tensor):
            return _joined(results)
        return tuple(map(_joined, zip(*results, strict=True)))

    return run


def _split(value: Tensor, known: tuple[int, int]) -> Sequence[Tensor]:
    rank, first = known
    return value.unbind() if rank == 0 else value.split(first)


def _joined(results: Sequence[Tensor]) -> Tensor:
    return torch.stack([*results]) if results[0].dim() == 0 else torch.cat([*results])


def _rank(value: ir.Value) -> int:
    return len(value.shape or ())


def _first(value: ir.Value) -> int:
    """Rows of a value of one piece; 0 where they depend on the numbers, which nothing splits."""
    size = value.shape[0] if value.shape else 0
    return size if isinstance(size, int) else 0
