"""What mixed precision gave one layer, and why, as a report shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerMix:
    """The bits of one layer, and what decided.

    Attributes:
        layer: its name.
        weights: bits of its weights.
        activations: bits of its input; None where it is float.
        weights_error: relative error of the outputs with these weights alone at their fewest bits; None: not measured.
        activations_error: the same with its input alone.
        bytes_added: by which more bits of its weights make the file grow, chosen or not.
        operations: its share of the multiply-accumulates of all layers.
    """

    layer: str
    weights: int
    activations: int | None
    weights_error: float | None
    activations_error: float | None
    bytes_added: int
    operations: float
