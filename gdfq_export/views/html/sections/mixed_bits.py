"""The bits that `bits.mixed` gave each layer, and what decided."""

from __future__ import annotations

from dataclasses import dataclass

from gdfq_export.planning.layer_mix import LayerMix
from gdfq_export.report.report import Report
from gdfq_export.views.html.numerals import count, percent, significant


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedBitsRow:
    """One layer: bits, errors of the outputs at fewest bits, and what more bits cost."""

    layer: str
    weights: str
    activations: str
    weights_error: str
    activations_error: str
    bytes_added: str
    operations: str


def mixed_bits_rows(report: Report) -> tuple[MixedBitsRow, ...]:
    """One for each layer with integer weights; none where the recipe mixes no bits."""
    return () if report.mixed_bits is None else tuple(map(_row, report.mixed_bits.layers))


def _row(layer: LayerMix) -> MixedBitsRow:
    return MixedBitsRow(
        layer=layer.layer,
        weights=str(layer.weights),
        activations="float" if layer.activations is None else str(layer.activations),
        weights_error=_error(layer.weights_error),
        activations_error=_error(layer.activations_error),
        bytes_added=count(layer.bytes_added),
        operations=percent(layer.operations),
    )


def _error(error: float | None) -> str:
    return "not measured" if error is None else significant(error)
