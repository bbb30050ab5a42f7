"""Embedding: one vector an image, `[N, D]`, of which only the direction counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from calib.input_spec import InputSpec
from gdfq_export.support.confidence_interval import paired_difference_interval, proportion
from gdfq_export.tasks.embedding.pairs import Pairs, read_pair_data, told_apart
from gdfq_export.tasks.figures import ComparedOutputs, TaskFigure
from gdfq_export.tasks.labelled_images import LabelledImages
from gdfq_export.tasks.numeric_outputs import NumericOutputs
from gdfq_export.tasks.output_error import relative_error
from gdfq_export.tasks.outputs import NetworkOutputs, Outputs, as_tuple

_UNARY = 8  # operators between an L2 norm and the division by it, at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding(NumericOutputs):
    """A network whose output is compared by cosine.

    Attributes:
        dimensions: of the vector.
        compared: the output.
    """

    name: ClassVar[str] = "embed"

    dimensions: int
    compared: tuple[str, ...]

    @classmethod
    def recognise(cls, network: NetworkOutputs) -> Self | str:
        """One output [N, D] that the graph divides by its length, or that the user calls an embedding."""
        output = network.outputs[0] if len(network.outputs) == 1 else None
        shape = () if output is None else output.shape
        if output is None or len(shape) != 2 or isinstance(shape[0], int) or not isinstance(shape[1], int):
            return f"its outputs are {network} where an embedding is one, [N, D]"
        if not network.asked and (network.graph is None or not _is_normalised(network.graph.graph.outputs[0])):
            return f"its output {output} is not divided by its length"
        return cls(dimensions=shape[1], compared=output.before_cut or (output.name,))

    def error(self, found: Outputs, wanted: Outputs) -> Tensor:
        """Mean squared error of the vectors at length 1, by the variance of the float network's."""
        pairs = [[functional.normalize(each, dim=-1) for each in as_tuple(outputs)] for outputs in (found, wanted)]
        return relative_error(tuple(pairs[0]), tuple(pairs[1]))

    def figures(self, compared: ComparedOutputs) -> tuple[TaskFigure, ...]:
        """5th percentile of the cosine, agreement of the nearest other image; with pairs the fall of the accuracy."""
        wanted, found = (_directions(outputs[0]) for outputs in (compared.float_network, compared.quantized))
        figures = [_percentile(wanted, found)]
        if len(wanted) > 2:
            figures.append(_rank1(wanted, found))
        if compared.truth is not None:
            figures.append(_drop(wanted, found, compared.truth))
        return tuple(figures)

    def read_data(self, path: Path, spec: InputSpec) -> LabelledImages:
        """Images with pairs, or without: an .npz, or a folder with pairs.csv."""
        return read_pair_data(path, spec)

    def fits(self, shapes: Sequence[Sequence[int]]) -> bool:
        """Whether the first output is such a vector."""
        first = shapes[0] if shapes else ()
        return not first or (len(first) == 2 and first[1] in (0, self.dimensions))

    def describe(self, shapes: Sequence[Sequence[int]] | None = None) -> str:
        """The number of dimensions."""
        if shapes is not None:
            return f"outputs {', '.join(str([*shape]) for shape in shapes)}"
        return f"an embedding of {self.dimensions} dimensions"


def _is_normalised(value: ir.Value) -> bool:
    """Whether a value is divided by its L2 norm: LpNormalization, or Div by ReduceL2 or by a root of summed squares."""
    node = value.producer()
    if node is None or node.op_type == "LpNormalization":
        return node is not None
    divisor = node.inputs[1] if node.op_type in ("Div", "Mul") and len(node.inputs) == 2 else None
    for _ in range(_UNARY):
        below = None if divisor is None else divisor.producer()
        if below is None or below.op_type in ("ReduceL2", "Sqrt"):
            return below is not None
        divisor = below.inputs[0]
    return False


def _directions(outputs: NDArray[np.float32]) -> NDArray[np.float64]:
    """Vectors [N, D] at length 1."""
    vectors = outputs.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions: NDArray[np.float64] = vectors / np.maximum(lengths, 1e-12)
    return directions


def _percentile(wanted: NDArray[np.float64], found: NDArray[np.float64]) -> TaskFigure:
    value = float(np.quantile((wanted * found).sum(axis=1), 0.05))
    return TaskFigure(
        name="cosine_p05", title="cosine with float, 5th percentile", unit="", value=value, low=value, high=value,
        sample=None,
    )  # fmt: skip


def _rank1(wanted: NDArray[np.float64], found: NDArray[np.float64]) -> TaskFigure:
    """The share of images whose nearest other image is the same for both networks."""
    same = proportion(int((_nearest(wanted) == _nearest(found)).sum()), len(wanted))
    return TaskFigure(
        name="rank1_agreement",
        title="rank-1 agreement with float",
        unit="",
        value=same.value,
        low=same.low,
        high=same.high,
        sample=same.images,
        note="the nearest other image is the same",
    )


def _nearest(directions: NDArray[np.float64]) -> NDArray[np.intp]:
    similarity = directions @ directions.T
    np.fill_diagonal(similarity, -np.inf)
    nearest: NDArray[np.intp] = similarity.argmax(axis=1)
    return nearest


def _drop(wanted: NDArray[np.float64], found: NDArray[np.float64], pairs: Pairs) -> TaskFigure:
    first, second = pairs.images.T
    float_right, right = (told_apart((each[first] * each[second]).sum(axis=1), pairs.same) for each in (wanted, found))
    only_float, only_quantized = int((float_right & ~right).sum()), int((right & ~float_right).sum())
    low, high = paired_difference_interval(only_float, only_quantized, len(right))
    return TaskFigure(
        name="verification_drop_pp",
        title="verification accuracy drop",
        unit="pp",
        value=100 * (only_float - only_quantized) / len(right),
        low=100 * low,
        high=100 * high,
        sample=len(right),
        each="pair",
        note=f"float {100 * float_right.mean():.2f} %, quantized {100 * right.mean():.2f} % of {len(right):,} pairs",
    )
