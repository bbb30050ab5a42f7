"""`bits:` how many bits each kind of tensor gets."""

from __future__ import annotations

from pydantic import Field

from gdfq_export.recipe.section import BitWidth, Section, Share

__all__ = ["Bits", "LayerBits", "MixedBits"]


class LayerBits(Section):
    """Bit widths of some layers, in place of those of all."""

    weights: BitWidth | None = None
    activations: BitWidth | None = Field(None, description="at least, of what the layer reads")


class MixedBits(Section):
    """More bits for the weights that need them most, as a sensitivity measured on the run's images says."""

    weights: BitWidth = 8
    growth: Share = Field(0.05, description="of the bytes that all weights take in the file, at most")


class Bits(Section):
    """Bit widths, by what they apply to."""

    weights: BitWidth = 8
    activations: BitWidth = 8
    first_last: BitWidth = Field(8, description="weights and activations of the first and the last layer")
    residual: BitWidth = Field(8, description="a layer's output that feeds an Add, a Mul or a table, as of LeakyRelu")
    input: BitWidth = Field(8, description="the network's input")
    layers: dict[str, LayerBits] = Field(
        {},
        description="exceptions by the name of a layer or its weight, * and ? allowed; the last to match holds",
    )
    mixed: MixedBits | None = None
