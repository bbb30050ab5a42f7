"""The nodes that the runtime executes, in order: on integers or in float."""

from __future__ import annotations

from dataclasses import dataclass

from gdfq_export.metrics.coverage import Coverage, RunNode
from gdfq_export.metrics.leftovers import Leftover
from gdfq_export.report.report import Report
from gdfq_export.runtimes.base import Kind
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.targets.operator_traits import MOVES_ELEMENTS
from gdfq_export.views.html.numerals import count

_INTEGER_OTHER = "integer-other"
_CHIPS: dict[str, tuple[str, str]] = {
    "integer": ("INT", "convolution or matrix product on integers"),
    "float": ("FLOAT", "convolution or matrix product in float"),
    _INTEGER_OTHER: ("INT", "other operator on integers"),
    "quantize": ("Q", "from float to integers"),
    "dequantize": ("DQ", "from integers to float"),
    "layout": ("", "moves data"),
    "other": ("", "other operator"),
}
"""Mark and meaning by shape, the class of the style sheet; compute nodes come first."""

_SENTENCES: dict[str, str] = {
    "integer": "on integers, as {}",
    "float": "in float, as {}",
    _INTEGER_OTHER: "on integers, as {}",
    "quantize": "as {}, from float to integers",
    "dequantize": "as {}, from integers to float",
    "layout": "as {}, which only moves data",
    "other": "as {}",
}
_SHAPES: dict[Kind, str] = {"integer compute": "integer", "float compute": "float"}
_COMPUTE = ("convolution or matrix product", "convolutions and matrix products")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """One executed node: `shape` is its class in the style sheet, `mark` the same in letters."""

    shape: str
    mark: str
    op_type: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One line of the legend."""

    shape: str
    mark: str
    words: str
    nodes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageView:
    """The strip, its legend, and every remaining Q or DQ with its reason."""

    chips: tuple[Chip, ...]
    keys: tuple[Key, ...]
    operators: tuple[tuple[str, int], ...]
    leftovers: tuple[tuple[str, Leftover], ...]
    total: int
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """How one layer is executed: the `shape` of its chip, a short `tag`, and a sentence."""

    shape: str
    tag: str
    words: str


def coverage_view(report: Report) -> CoverageView | None:
    """None where the runtime's graph was not read."""
    coverage = report.coverage
    if isinstance(coverage, NotMeasured):
        return None
    chips = tuple(_chip(node) for node in coverage.nodes)
    shapes = [chip.shape for chip in chips]
    total = coverage.integer_compute + len(coverage.float_compute)
    return CoverageView(
        chips=chips,
        keys=tuple(
            Key(shape=shape, mark=mark, words=words, nodes=shapes.count(shape))
            for shape, (mark, words) in _CHIPS.items()
            if shape in shapes
        ),
        operators=tuple(coverage.operator_counts.items()),
        leftovers=(
            *(("quantize", left) for left in coverage.remaining_quantize),
            *(("dequantize", left) for left in coverage.remaining_dequantize),
        ),
        total=total,
        summary=f"{coverage.integer_compute} of {count(total, *_COMPUTE)} run on integers, "
        f"{len(coverage.float_compute)} in float",
    )


def executed_as(coverage: Coverage | NotMeasured, node: str, tensor: str) -> Executed:
    """How the node of the file that computes `tensor` is executed; a compute node is preferred to its surroundings."""
    if isinstance(coverage, NotMeasured):
        return Executed(
            shape="unknown",
            tag="not known",
            words="The runtime's graph was not read.",
        )
    if not node:
        return Executed(shape="quantize", tag="input", words="Quantized as the network's input.")
    names = {node, tensor, f"{tensor}_q"}
    found = [each for each in coverage.nodes if each.name in names or each.output in names]
    order = list(_CHIPS)
    best = min(found, key=lambda each: order.index(_shape(each)), default=None)
    if best is not None:
        shape = _shape(best)
        tag = shape if shape in ("integer", "float") else best.op_type
        sentence = f"{coverage.runtime} executes it {_SENTENCES[shape].format(best.op_type)}."
        return Executed(shape=shape, tag=tag, words=sentence)
    if any(each.name == node for each in coverage.float_compute):
        return Executed(shape="float", tag="float", words=f"{coverage.runtime} executes it in float.")
    return Executed(
        shape="unknown",
        tag="not known",
        words=f"{coverage.runtime} executes no node of this name: it was fused into another.",
    )


def _shape(node: RunNode) -> str:
    if node.kind == "other" and node.op_type.startswith("QLinear"):
        return _INTEGER_OTHER
    if node.kind == "other" and node.op_type in MOVES_ELEMENTS:
        return "layout"
    return _SHAPES.get(node.kind, node.kind)


def _chip(node: RunNode) -> Chip:
    shape = _shape(node)
    return Chip(shape=shape, mark=_CHIPS[shape][0], op_type=node.op_type, name=node.name or node.output)
