"""Each layer by itself: its weights' codes, its activations, its error with the cause, and what executes it."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2

from gdfq_export.metrics.layer_error import LayerError
from gdfq_export.metrics.weights import WeightCodes
from gdfq_export.report.report import Report
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.views.html.numerals import count, decibels, percent, significant
from gdfq_export.views.html.outline import bars
from gdfq_export.views.html.scale import Scale, linear_scale
from gdfq_export.views.html.sections.coverage import Executed, executed_as
from gdfq_export.views.html.sections.network import explain_layer, title_of

__all__ = ["HistogramPicture", "LayerRow", "layer_rows"]

_FULL_BAR_DB = 60.0
_NOT_COMPARABLE = "cannot be said: its channels have other scales than the float network's, as equalization makes them"
Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistogramPicture:
    """An outline on `scale`; `reach` is the part of it that codes can say, in per cent, None where all is."""

    title: str
    path: str
    scale: Scale
    reach: tuple[float, float] | None
    label: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRow:
    """One row and what opens under it; `snr_db` and `added` are to sort by, None of weights alone."""

    number: int
    title: str
    tensor: str
    executed: Executed
    snr_db: float | None
    snr: str
    snr_bar: float
    added: float | None
    added_text: str
    why: str
    worst: bool
    activations: HistogramPicture | None
    activation_facts: Facts
    weights: HistogramPicture | None
    weight_facts: Facts


def layer_rows(report: Report) -> tuple[LayerRow, ...]:
    """Layers in graph order, then weights whose layer's own output is not quantized, or was not compared."""
    errors = report.layers
    layers = () if isinstance(errors, NotMeasured) else errors.layers
    worst = None if isinstance(errors, NotMeasured) else errors.worst
    weights = () if isinstance(report.weights, NotMeasured) else report.weights
    by_node = {codes.node: codes for codes in weights}
    rows = [_row(report, number, layer, by_node.pop(layer.node, None), worst) for number, layer in enumerate(layers, 1)]
    rows += [_weights_alone(report, number, codes) for number, codes in enumerate(by_node.values(), len(rows) + 1)]
    return tuple(rows)


def _row(report: Report, number: int, layer: LayerError, codes: WeightCodes | None, worst: str | None) -> LayerRow:
    return LayerRow(
        number=number,
        title=title_of(layer),
        tensor=layer.tensor,
        executed=executed_as(report.coverage, layer.node, layer.tensor),
        snr_db=layer.snr_db,
        snr=decibels(layer.snr_db),
        snr_bar=round(100 * min(1.0, max(0.0, layer.snr_db / _FULL_BAR_DB)), 1),
        added=layer.added,
        added_text=percent(layer.added),
        why=explain_layer(layer),
        worst=layer.tensor == worst,
        activations=_activations(layer),
        activation_facts=_activation_facts(layer),
        weights=None if codes is None else _weights(codes),
        weight_facts=() if codes is None else _weight_facts(codes),
    )


def _weights_alone(report: Report, number: int, codes: WeightCodes) -> LayerRow:
    return LayerRow(
        number=number,
        title=f"{codes.op_type} {codes.node}",
        tensor=codes.tensor,
        executed=executed_as(report.coverage, codes.node, codes.tensor),
        snr_db=None,
        snr="",
        snr_bar=0.0,
        added=None,
        added_text="",
        why="Its output was not compared with the float network's; these are its weights.",
        worst=False,
        activations=None,
        activation_facts=(),
        weights=_weights(codes),
        weight_facts=_weight_facts(codes),
    )


def _activations(layer: LayerError) -> HistogramPicture:
    """Values of the float network on an axis that shows the codes' reach too."""
    histogram, reach = layer.histogram, None
    low, high = min(histogram.low, layer.seen_low), max(histogram.high, layer.seen_high)
    bounds = None if layer.low is None or layer.high is None or layer.scaled else (layer.low, layer.high)
    if bounds is not None:
        low, high = min(low, bounds[0]), max(high, bounds[1])
    scale = linear_scale(low, high, most=5, widen=False)
    if bounds is not None:
        reach = (scale.at(bounds[0]), scale.at(bounds[1]))
    return HistogramPicture(
        title="Activations",
        path=bars(histogram.counts, start=scale.at(histogram.low), end=scale.at(histogram.high), logarithmic=True),
        scale=scale,
        reach=reach,
        label="value in the float network; height: number of values, logarithmic",
        words=f"values from {significant(layer.seen_low)} to {significant(layer.seen_high)}",
    )


def _activation_facts(layer: LayerError) -> Facts:
    seen = ("seen in float", f"{significant(layer.seen_low)} to {significant(layer.seen_high)}")
    if layer.low is None or layer.high is None or not layer.codes:
        return seen, ("quantized", "no: this tensor is float in the file")
    return (
        seen,
        ("codes can say", f"{significant(layer.low)} to {significant(layer.high)}"),
        ("outside of that", _NOT_COMPARABLE if layer.beyond is None else percent(layer.beyond, 3)),
        ("bits", f"{_bits(layer.codes)} ({count(layer.codes, 'code')}, {layer.codes_used} of them used)"),
        ("scale", significant((layer.high - layer.low) / max(1, layer.codes - 1), 4)),
    )


def _weights(codes: WeightCodes) -> HistogramPicture:
    histogram = codes.histogram
    scale = linear_scale(histogram.low, histogram.high, most=5, widen=False)
    return HistogramPicture(
        title="Weights",
        path=bars(histogram.counts, start=0.0, end=100.0, logarithmic=False),
        scale=scale,
        reach=None,
        label="code in the file; height: number of weights",
        words=f"codes from {codes.code_low} to {codes.code_high}",
    )


def _weight_facts(codes: WeightCodes) -> Facts:
    span = codes.code_high - codes.code_low + 1
    scales = significant(codes.scale_low, 4)
    if codes.scales > 1:
        scales = f"{count(codes.scales)}, {scales} to {significant(codes.scale_high, 4)}"
    return (
        ("weights", f"{count(codes.elements)} in {codes.tensor}"),
        ("codes", f"{codes.code_low} to {codes.code_high}".replace("-", "\u2212") + f", {_bits(span)} bits"),
        ("scale" if codes.scales == 1 else "scales", scales),
        ("at the smallest or largest code", percent(codes.at_limits)),
        ("channels that are 0 throughout", count(codes.unused_channels)),
    )


def _bits(codes: int) -> int:
    return max(1, ceil(log2(codes)))
