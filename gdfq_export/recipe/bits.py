"""`bits:` how many bits each kind of tensor gets."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gdfq_export.recipe.section import BitWidth, Section, Share

__all__ = ["Bits", "LayerBits", "MixedBits"]


class LayerBits(Section):
    """Bit widths of some layers, in place of those of all."""

    weights: BitWidth | None = Field(None, description="of the layer's weights")
    activations: BitWidth | None = Field(None, description="at least, of what the layer reads")


class MixedBits(Section):
    """More bits for the weights that need them most, as a sensitivity measured on the run's images says."""

    weights: BitWidth = Field(8, description="that the weights of a raised layer get")
    growth: Share = Field(0.05, description="of the bytes that all weights take in the file, at most")
    size_ratio: Share | None = Field(
        None,
        description="of the float file's bytes that the file takes, at most, if it takes fewer before any layer is "
        "raised; null: growth alone limits it",
    )


class Bits(Section):
    """Bit widths, by what they apply to."""

    weights: BitWidth = Field(8, description="weights of all layers but the first and the last")
    activations: BitWidth = Field(8, description="what those layers read")
    first_last: BitWidth = Field(8, description="weights and activations of the first and the last layer")
    residual: BitWidth = Field(8, description="a layer's output that feeds an Add, a Mul or a table, as of LeakyRelu")
    input: BitWidth = Field(8, description="the network's input")
    storage: Literal["packed", "native"] = Field(
        "packed",
        description="of weights of 4 bits or fewer: packed into INT4 or INT2 that a Cast widens when the file is "
        "loaded, or native INT4 for hardware that multiplies it; elsewhere such layers run in float",
    )
    blocks: Literal[16, 32, 64, 128, 256] | None = Field(
        None,
        description="inputs that share a scale, at most, in the weights of fully connected layers, which then have 4 "
        "bits and float activations; null: integer layers",
    )
    layers: dict[str, LayerBits] = Field(
        {},
        description="exceptions by the name of a layer or its weight, * and ? allowed; the last to match holds",
    )
    mixed: MixedBits | None = Field(None, description="raises the layers that need it; null raises none")
