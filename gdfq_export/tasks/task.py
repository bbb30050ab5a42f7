"""Task: what a network's outputs mean, and the only place that knows it.

Every other room sees named outputs of any number and rank. A task is bound to one network: `find_task`
(`tasks/registry.py`) makes it from the graph's outputs, `FloatModel.task` carries it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calib.aim import Aim

Outputs = Tensor | tuple[Tensor, ...]
"""What a torch network returns: a tensor `[N, ...]` for one value, a tuple of them for several."""

OutputArrays = Sequence[NDArray[np.float32]]
"""What a runtime returns: every output of a file, `[N, ...]` each, in the file's order."""


def as_tuple(outputs: Outputs) -> tuple[Tensor, ...]:
    """Give the outputs as a tuple, whether there is one or there are several."""
    return (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)


def concatenated(batches: Sequence[Outputs]) -> Outputs:
    """Join the outputs of batches, [N, ...] each, along N."""
    joined = tuple(torch.cat(parts) for parts in zip(*map(as_tuple, batches), strict=True))
    return joined[0] if len(joined) == 1 else joined


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphOutput:
    """One output of a canonical graph, as far as a task is recognised from it.

    Attributes:
        name: of the value.
        shape: sizes; a string where a size depends on the batch.
        op_type: operator that computes it, "" where none does.
        axis: the operator's attribute of that name, if it has one.
        source: first input of that operator, where a node computes it.
    """

    name: str
    shape: tuple[int | str, ...]
    op_type: str
    axis: int | None
    source: str | None


class Task(Protocol):
    """What the outputs of one network mean."""

    @property
    def name(self) -> str:
        """Short name: `classify`."""
        ...

    @property
    def compared(self) -> tuple[str, ...]:
        """Names of the values that teacher and simulated network return; they stay float."""
        ...

    @property
    def aim(self) -> Aim:
        """What synthesis asks of the teacher's outputs."""
        ...

    @property
    def facts(self) -> Mapping[str, int]:
        """What the report says of the outputs: `{"classes": 10}`."""
        ...

    def error(self, found: Outputs, wanted: Outputs) -> Tensor:
        """Differentiable scalar: how far outputs are from the float network's.

        Distillation minimises it, and mixed precision ranks layers by it.
        """
        ...

    def agreement(self, float_outputs: OutputArrays, outputs: OutputArrays, source: str) -> Any:
        """Figures that need no labels, from outputs of both files for the same images of `source`.

        Raises:
            InputError: the outputs are not of this task, or not finite.
        """
        ...

    def accuracy(self, float_outputs: OutputArrays, outputs: OutputArrays, truth: Any, source: str) -> Any:
        """Figures on images whose truth is known.

        Raises:
            InputError: outputs and truth do not belong together.
        """
        ...

    def warnings(self, accuracy: Any) -> tuple[str, ...]:
        """Sentences for the user about what `accuracy` found: what it says against the data that was given."""
        ...

    def fits(self, shapes: Sequence[Sequence[int]]) -> bool:
        """Whether outputs of these shapes, batch included, may be this network's.

        A size that is not known is 0, a shape that is not known is empty.
        """
        ...

    def describe(self, shapes: Sequence[Sequence[int]] | None = None) -> str:
        """What outputs of these shapes are, None: this network's: `10 classes`."""
        ...
