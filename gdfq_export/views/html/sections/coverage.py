"""What the runtime executes, in order: which nodes work on integers and which do not."""

from __future__ import annotations

from dataclasses import dataclass

from gdfq_export.metrics.coverage import Coverage, RunNode
from gdfq_export.metrics.leftovers import Leftover
from gdfq_export.report.report import Report
from gdfq_export.runtimes.base import Kind
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.views.html.numerals import count

__all__ = ["Chip", "CoverageView", "Executed", "coverage_view", "executed_as"]

_CHIPS: dict[Kind, tuple[str, str, str]] = {
    "integer compute": ("integer", "INT", "convolution or matrix product on integers"),
    "float compute": ("float", "FLOAT", "convolution or matrix product in float"),
    "quantize": ("quantize", "Q", "from float to integers"),
    "dequantize": ("dequantize", "DQ", "from integers to float"),
    "layout": ("layout", "", "moves data"),
    "other": ("other", "", "any other operator"),
}


_WORDS: dict[Kind, str] = {
    "integer compute": "on integers, as {}",
    "float compute": "in float, as {}",
    "quantize": "as {}, from float to integers",
    "dequantize": "as {}, from integers to float",
    "layout": "as {}, which only moves data",
    "other": "as {}, which is neither convolution nor matrix product",
}
_COMPUTE = ("convolution or matrix product", "convolutions and matrix products")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """One executed node: `shape` is its class of the style sheet, `mark` says the same in letters."""

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
    """The strip, its legend, and every change between float and integers with its reason."""

    chips: tuple[Chip, ...]
    keys: tuple[Key, ...]
    operators: tuple[tuple[str, int], ...]
    leftovers: tuple[tuple[str, Leftover], ...]
    total: int
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """How one layer is executed: `shape` as of its chip, a `tag` of a word or two, and the whole in words."""

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
            for shape, mark, words in _CHIPS.values()
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
    """What became of the file's node that computes `tensor`; compute nodes come before what surrounds them."""
    if isinstance(coverage, NotMeasured):
        return Executed(
            shape="unknown",
            tag="not known",
            words="It is not known what executes it: the runtime's graph was not read.",
        )
    if not node:
        return Executed(shape="quantize", tag="input", words="It is quantized on its way in.")
    names = {node, tensor, f"{tensor}_q"}
    found = [each for each in coverage.nodes if each.name in names or each.output in names]
    order = list(_CHIPS)
    best = min(found, key=lambda each: order.index(each.kind), default=None)
    if best is not None:
        shape, words = _CHIPS[best.kind][0], _WORDS[best.kind]
        tag = shape if shape in ("integer", "float") else best.op_type
        return Executed(shape=shape, tag=tag, words=f"{coverage.runtime} executes it {words.format(best.op_type)}.")
    if any(each.name == node for each in coverage.float_compute):
        return Executed(shape="float", tag="float", words=f"{coverage.runtime} executes it in float.")
    return Executed(
        shape="unknown",
        tag="not known",
        words=f"{coverage.runtime} executes no node of this name: it became part of one.",
    )


def _chip(node: RunNode) -> Chip:
    shape, mark, _ = _CHIPS[node.kind]
    return Chip(shape=shape, mark=mark, op_type=node.op_type, name=node.name or node.output)
