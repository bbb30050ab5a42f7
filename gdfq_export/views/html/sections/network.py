"""Error along the network: four charts on one axis of layers.

SNR, the noise that each layer adds, its float range beside the quantization range, and the kernel that executes it, so
that a low SNR, its cause and its kernel are in one column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gdfq_export.metrics.layer_error import LayerError, LayerErrors
from gdfq_export.report.layer_names import layer_name
from gdfq_export.report.report import Report
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.views.html.numerals import EXACT_DB, decibels, percent
from gdfq_export.views.html.outline import line
from gdfq_export.views.html.scale import Scale, count_scale, linear_scale
from gdfq_export.views.html.sections.coverage import executed_as

_MOST_SHOWN_DB = 80.0
_RANGES = (-0.5, 2.0)  # of the codes' range, which is 0 to 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One layer, in per cent of the chart's width and of each strip's height from its top.

    `range_top` and `range_bottom` bound the values seen; they are None for the float output, and where
    channels have other scales than the float network's. `out_of_range` says that
    values lie outside the quantization range; `cut` that they lie outside of the strip too.
    """

    number: int
    x: float
    left: float
    width: float
    snr: float
    added: float
    range_top: float | None
    range_bottom: float | None
    out_of_range: bool
    cut: bool
    shape: str
    hint: str
    worst: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkView:
    """All columns with their scales; `worst` is the layer that adds the largest error, None without one."""

    columns: tuple[Column, ...]
    path: str
    layers: Scale
    snr: Scale
    added: Scale
    ranges: Scale
    worst: Column | None
    worst_title: str
    worst_why: str
    images: int
    source: str
    unmatched: tuple[str, ...]
    scaled: bool


def network_view(report: Report) -> NetworkView | None:
    """None where layers were not compared."""
    errors = report.layers
    if isinstance(errors, NotMeasured) or not errors.layers:
        return None
    layers = errors.layers
    shown = [_shown_db(layer) for layer in layers]
    axis = count_scale(len(layers))
    snr = linear_scale(min(0.0, *shown), max(10.0, *shown), most=5)
    added = linear_scale(0.0, max(0.1, *(100 * layer.added_noise_ratio for layer in layers)), most=3)
    ranges = linear_scale(100 * _RANGES[0], 100 * _RANGES[1], most=5, widen=False)
    columns = tuple(
        _column(report, errors, number, layer, (axis, snr, added, ranges)) for number, layer in enumerate(layers, 1)
    )
    worst = next((column for column in columns if column.worst), None)
    return NetworkView(
        columns=columns,
        path=line((column.x, column.snr) for column in columns),
        layers=axis,
        snr=snr,
        added=added,
        ranges=ranges,
        worst=worst,
        worst_title="" if worst is None else _title(report, layers[worst.number - 1]),
        worst_why="" if worst is None else explain_layer(layers[worst.number - 1]),
        images=errors.images,
        source=errors.source,
        unmatched=errors.unmatched_tensors,
        scaled=any(layer.channels_rescaled for layer in layers),
    )


def explain_layer(layer: LayerError) -> str:
    """The SNR of a layer with its measured cause, or where its error comes from."""
    before = decibels(layer.input_snr_db)
    snr = f"SNR {decibels(layer.snr_db)}" + (f", inputs {before}" if before else "")
    added = f"It adds noise of {percent(layer.added_noise_ratio)} of its signal's power."
    if layer.cause:
        return f"{snr}. {added} Cause: {layer.cause}."
    if layer.snr_db >= EXACT_DB:
        return "Equal to the float network's tensor."
    if layer.input_snr_db is not None and layer.added_noise_ratio <= 10 ** (-layer.snr_db / 10) / 2:
        return f"{snr}: most of its error comes from its inputs. {added}"
    if layer.range_min is None:
        return f"{snr}. {added} Float in the file: the error of its inputs and weights."
    if layer.channels_rescaled:
        return f"{snr}, after rescaling channels as its consumers do. {added}"
    if layer.out_of_range_fraction:
        return (
            f"{snr}. {added} {percent(layer.out_of_range_fraction)} of its values lie outside the quantization range."
        )
    return f"{snr}. {added} Its values fit the range: this is the rounding error."


def _title(report: Report, layer: LayerError) -> str:
    return layer_name(report, layer.op_type, layer.node)


def _column(report: Report, errors: LayerErrors, number: int, layer: LayerError, scales: Sequence[Scale]) -> Column:
    axis, snr, added, ranges = scales
    width = 100 / len(errors.layers)
    top, bottom, cut = _range(layer, ranges)
    return Column(
        number=number,
        x=axis.at(number),
        left=round(axis.at(number) - width / 2, 2),
        width=round(width, 2),
        snr=snr.down(_shown_db(layer)),
        added=added.down(100 * layer.added_noise_ratio),
        range_top=top,
        range_bottom=bottom,
        out_of_range=bool(layer.out_of_range_fraction),
        cut=cut,
        shape=executed_as(report.coverage, layer.node, layer.tensor).shape,
        hint=f"{number}: {_title(report, layer)}, {decibels(layer.snr_db)}, adds {percent(layer.added_noise_ratio)}",
        worst=layer.tensor == errors.worst_tensor,
    )


def _range(layer: LayerError, scale: Scale) -> tuple[float | None, float | None, bool]:
    """Top and bottom of the float range on the chart, and whether the chart cuts it off."""
    bottom, top = layer.range_min, layer.range_max
    if bottom is None or top is None or layer.channels_rescaled or not top > bottom:
        return None, None, False
    low, high = (100 * (seen - bottom) / (top - bottom) for seen in (layer.float_min, layer.float_max))
    return scale.down(high), scale.down(low), high > scale.high or low < scale.low


def _shown_db(layer: LayerError) -> float:
    return min(_MOST_SHOWN_DB, max(-_MOST_SHOWN_DB, layer.snr_db))
