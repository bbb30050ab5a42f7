"""Each layer: integer weights, activations, error with its cause, and the kernel that executes it."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2

from gdfq_export.metrics.layer_error import LayerError
from gdfq_export.metrics.weights import WeightCodes
from gdfq_export.report.layer_names import layer_name
from gdfq_export.report.report import Report
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.views.html.numerals import count, decibels, percent, significant
from gdfq_export.views.html.outline import bars
from gdfq_export.views.html.scale import Scale, linear_scale
from gdfq_export.views.html.sections.coverage import Executed, executed_as
from gdfq_export.views.html.sections.network import explain_layer

_FULL_BAR_DB = 60.0
_NOT_COMPARABLE = "not comparable: equalization rescaled its channels"
Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistogramPicture:
    """An outline on `scale`; `reach` is the quantization range in per cent of it, None without one."""

    title: str
    path: str
    scale: Scale
    reach: tuple[float, float] | None
    label: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRow:
    """One row and its details; `snr_db` and `added` are sort keys, None where only weights are known."""

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
    """Layers in graph order, then weights of layers whose output is not quantized or was not compared."""
    errors = report.layers
    layers = () if isinstance(errors, NotMeasured) else errors.layers
    worst = None if isinstance(errors, NotMeasured) else errors.worst_tensor
    weights = () if isinstance(report.weights, NotMeasured) else report.weights
    by_node = {codes.node: codes for codes in weights}
    rows = [_row(report, number, layer, by_node.pop(layer.node, None), worst) for number, layer in enumerate(layers, 1)]
    rows += [_weights_alone(report, number, codes) for number, codes in enumerate(by_node.values(), len(rows) + 1)]
    return tuple(rows)


def _row(report: Report, number: int, layer: LayerError, codes: WeightCodes | None, worst: str | None) -> LayerRow:
    return LayerRow(
        number=number,
        title=layer_name(report, layer.op_type, layer.node),
        tensor=layer.tensor,
        executed=executed_as(report.coverage, layer.node, layer.tensor),
        snr_db=layer.snr_db,
        snr=decibels(layer.snr_db),
        snr_bar=round(100 * min(1.0, max(0.0, layer.snr_db / _FULL_BAR_DB)), 1),
        added=layer.added_noise_ratio,
        added_text=percent(layer.added_noise_ratio),
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
        title=layer_name(report, codes.op_type, codes.node),
        tensor=codes.tensor,
        executed=executed_as(report.coverage, codes.node, codes.tensor),
        snr_db=None,
        snr="",
        snr_bar=0.0,
        added=None,
        added_text="",
        why="Its output was not compared with the float network's.",
        worst=False,
        activations=None,
        activation_facts=(),
        weights=_weights(codes),
        weight_facts=_weight_facts(codes),
    )


def _activations(layer: LayerError) -> HistogramPicture:
    """Values of the float network on an axis that also shows the quantization range."""
    histogram, reach = layer.histogram, None
    low, high = min(histogram.low, layer.float_min), max(histogram.high, layer.float_max)
    bounds = (
        None
        if layer.range_min is None or layer.range_max is None or layer.channels_rescaled
        else (layer.range_min, layer.range_max)
    )
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
        label="value in the float network; count on a log scale",
        words=f"values from {significant(layer.float_min)} to {significant(layer.float_max)}",
    )


def _activation_facts(layer: LayerError) -> Facts:
    outside = layer.out_of_range_fraction
    seen = ("float range", f"{significant(layer.float_min)} to {significant(layer.float_max)}")
    if layer.range_min is None or layer.range_max is None or not layer.levels:
        return seen, ("quantized", "no, float in the file")
    return (
        seen,
        ("quantization range", f"{significant(layer.range_min)} to {significant(layer.range_max)}"),
        ("values out of range", _NOT_COMPARABLE if outside is None else percent(outside, 3)),
        ("bits", f"{_bits(layer.levels)} ({count(layer.levels, 'level')}, {layer.levels_used} used)"),
        ("scale", significant((layer.range_max - layer.range_min) / max(1, layer.levels - 1), 4)),
    )


def _weights(codes: WeightCodes) -> HistogramPicture:
    histogram = codes.histogram
    scale = linear_scale(histogram.low, histogram.high, most=5, widen=False)
    return HistogramPicture(
        title="Weights",
        path=bars(histogram.counts, start=0.0, end=100.0, logarithmic=False),
        scale=scale,
        reach=None,
        label="integer weight; count on a linear scale",
        words=f"integers from {codes.code_min} to {codes.code_max}",
    )


def _weight_facts(codes: WeightCodes) -> Facts:
    span = codes.code_max - codes.code_min + 1
    scales = significant(codes.scale_min, 4)
    if codes.scale_count > 1:
        scales = f"{count(codes.scale_count)}, {scales} to {significant(codes.scale_max, 4)}"
    return (
        ("weights", f"{count(codes.elements)} in {codes.tensor}"),
        ("integers", f"{codes.code_min} to {codes.code_max}".replace("-", "\u2212") + f", {_bits(span)} bits"),
        ("scale" if codes.scale_count == 1 else "scales", scales),
        ("at the smallest or largest", percent(codes.at_range_limits_fraction)),
        ("channels of zeros", count(codes.zero_channels)),
    )


def _bits(codes: int) -> int:
    return max(1, ceil(log2(codes)))
