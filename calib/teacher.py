"""The float network that images are made for, with what is known of its input and output."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from calib.input_spec import InputSpec

__all__ = ["Teacher"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Teacher:
    """A trained classifier. Samplers work on a frozen copy of it and never change it.

    Attributes:
        network: maps images `[N, C, H, W]` to logits `[N, num_classes]`.
        input_spec: shape and preprocessing of an image.
        num_classes: columns of the logits.
    """

    network: nn.Module
    input_spec: InputSpec
    num_classes: int
