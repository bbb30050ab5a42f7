"""`bits:` the bit width of each kind of tensor."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gdfq_export.recipe.section import BitWidth, Section, Share


class LayerBits(Section):
    """Bit widths of single layers, overriding the general ones."""

    weights: BitWidth | None = Field(None, description="bit width of the layer's weights")
    activations: Literal[2, 3, 4, 5, 6, 7, 8, 16] | None = Field(
        None, description="lowest bit width of the layer's input; 16: of its input and output, as in keep_int16"
    )


class MixedBits(Section):
    """Mixed precision: the most sensitive weights and activations get more bits, by measured sensitivity."""

    weights: BitWidth = Field(8, description="bit width of the weights of a sensitive layer")
    activations: BitWidth | None = Field(
        None, description="bit width of the input of a sensitive layer; null: bits.activations, for every layer"
    )
    growth: Share = Field(0.05, description="largest growth of the weights' bytes in the file, as a share")
    size_ratio: Share | None = Field(
        None,
        description="largest file size relative to the float file, ignored where the file starts out larger; null: "
        "only growth limits the size",
    )
    operations: Share | None = Field(
        None,
        description="largest number of bit operations (multiply-accumulates x bits of weights x bits of activations) "
        "relative to 8 bits everywhere; null: no such limit",
    )


class Bits(Section):
    """Bit widths, by what they apply to."""

    weights: BitWidth = Field(8, description="weights of all layers except the first and the last")
    activations: BitWidth = Field(8, description="inputs of those layers")
    first_last: BitWidth = Field(8, description="weights and activations of the first and the last layer")
    residual: BitWidth = Field(
        8, description="layer outputs that feed an Add, a Mul or a lookup table, such as that of LeakyRelu"
    )
    input: BitWidth = Field(8, description="the network's input")
    others: BitWidth | None = Field(
        None,
        description="values that no layer with weights reads, such as inputs of averages and the network's outputs; "
        "null: as activations",
    )
    storage: Literal["packed", "native"] = Field(
        "packed",
        description="storage of weights of 4 bits or fewer. packed: INT4 or INT2, cast to int8 on loading; native: "
        "INT4 for hardware that multiplies it, elsewhere such layers run in float",
    )
    blocks: Literal[16, 32, 64, 128, 256] | None = Field(
        None,
        description="weight-only quantization of fully connected layers (4-bit weights, float activations): the group "
        "size, that is inputs that share a scale; null: none",
    )
    layers: dict[str, LayerBits] = Field(
        {}, description="exceptions by the name of a layer or of its weight, * and ? allowed; the last match applies"
    )
    keep_float: tuple[str, ...] = Field(
        (),
        description="nodes that stay float: names of nodes or weights, * and ? allowed, operators such as Softmax, or "
        "re: and a regular expression for whole names",
    )
    keep_int16: tuple[str, ...] = Field(
        (), description="nodes whose inputs and outputs have 16 bits, named as in keep_float, which comes first"
    )
    scaled_channels: bool = Field(
        True,
        description="channels of unlike ranges are scaled around a HardSwish where it reduces the noise of 8 bits, "
        "which takes time; only targets that compute HardSwish on codes do it",
    )
    mixed: MixedBits | None = Field(None, description="mixed precision; null: none")
    precision: Literal["fixed", "auto"] = Field(
        "fixed",
        description="auto: layers stay float where measurements show that the gates ask for it, at the least time",
    )
