"""The float network that images are made for, with what is known of its input and output."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from calib.aim import Aim
from calib.input_spec import InputSpec


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Teacher:
    """A trained network. Samplers work on a frozen copy of it and never change it.

    Attributes:
        network: maps images `[N, C, ...]` to a tensor `[N, ...]` or a tuple of them.
        input_spec: shape and preprocessing of an image.
        aim: what images ask of its outputs: `ClassAim(10)` for a classifier of ten classes, `SpreadAim()` for any other
            outputs, `NoAim()` for nothing.
    """

    network: nn.Module
    input_spec: InputSpec
    aim: Aim
