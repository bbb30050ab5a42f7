"""Error along the network: four strips that share one axis, the layers in order.

Signal-to-noise ratio, the error each layer adds, the values it gives against those its codes can say, and whether it
runs on integers; so that a dip, its cause and its kernel stand in one column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gdfq_export.metrics.layer_error import LayerError, LayerErrors
from gdfq_export.report.report import Report
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.views.html.numerals import EXACT_DB, decibels, percent
from gdfq_export.views.html.outline import line
from gdfq_export.views.html.scale import Scale, count_scale, linear_scale
from gdfq_export.views.html.sections.coverage import executed_as

__all__ = ["Column", "NetworkView", "explain_layer", "network_view", "title_of"]

_MOST_SHOWN_DB = 80.0
_RANGES = (-0.5, 2.0)  # of the codes' range, which is 0 to 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One layer, in per cent of the chart's width and of each strip's height from its top.

    `range_top` and `range_bottom` bound the values seen; they are None for the float output, and where
    channels have other scales than the float network's. `beyond` says that values
    lie outside of what the codes can say; `cut` that they lie outside of the strip too.
    """

    number: int
    x: float
    left: float
    width: float
    snr: float
    added: float
    range_top: float | None
    range_bottom: float | None
    beyond: bool
    cut: bool
    shape: str
    hint: str
    worst: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkView:
    """All columns with their scales; `worst` is the layer most of the error enters by, in words, "" without one."""

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
    added = linear_scale(0.0, max(0.1, *(100 * layer.added for layer in layers)), most=3)
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
        worst_title="" if worst is None else title_of(layers[worst.number - 1]),
        worst_why="" if worst is None else explain_layer(layers[worst.number - 1]),
        images=errors.images,
        source=errors.source,
        unmatched=errors.unmatched,
        scaled=any(layer.scaled for layer in layers),
    )


def title_of(layer: LayerError) -> str:
    """The operator and its node; the input has neither."""
    return f"{layer.op_type} {layer.node}" if layer.op_type else "the input"


def explain_layer(layer: LayerError) -> str:
    """Why a layer is as good or bad as it is: the measured cause, or where its error comes from."""
    before = decibels(layer.inputs_snr_db)
    fell = f"It is at {decibels(layer.snr_db)}" + (f", its inputs at {before}" if before else "")
    added = f"It adds error worth {percent(layer.added)} of its signal's power."
    if layer.cause:
        return f"{fell}. {added} Cause: {layer.cause}."
    if layer.snr_db >= EXACT_DB:
        return "It is the float network's tensor to the last digit."
    if layer.inputs_snr_db is not None and layer.added <= 10 ** (-layer.snr_db / 10) / 2:
        return f"{fell}: most of its error comes in with its inputs. {added}"
    if layer.low is None:
        return f"{fell}. {added} It is float in the file: what its inputs and weights lost by rounding."
    if layer.scaled:
        return f"{fell}, its channels brought to the float network's scales, as what reads them does. {added}"
    if layer.beyond:
        return f"{fell}. {added} {percent(layer.beyond)} of its values lie outside of what its codes reach."
    return f"{fell}. {added} Its values fit their codes: this is what rounding costs."


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
        added=added.down(100 * layer.added),
        range_top=top,
        range_bottom=bottom,
        beyond=bool(layer.beyond),
        cut=cut,
        shape=executed_as(report.coverage, layer.node, layer.tensor).shape,
        hint=f"{number}: {title_of(layer)}, {decibels(layer.snr_db)}, adds {percent(layer.added)}",
        worst=layer.tensor == errors.worst,
    )


def _range(layer: LayerError, scale: Scale) -> tuple[float | None, float | None, bool]:
    """Smallest and largest value in per cent of the codes' range, as places on the strip."""
    if layer.low is None or layer.high is None or layer.scaled or not layer.high > layer.low:
        return None, None, False
    low, high = (100 * (seen - layer.low) / (layer.high - layer.low) for seen in (layer.seen_low, layer.seen_high))
    return scale.down(high), scale.down(low), high > scale.high or low < scale.low


def _shown_db(layer: LayerError) -> float:
    return min(_MOST_SHOWN_DB, max(-_MOST_SHOWN_DB, layer.snr_db))
