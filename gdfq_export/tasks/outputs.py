"""Outputs of a network as torch, a runtime and a graph give them: any number, of any rank."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from numpy.typing import NDArray
from torch import Tensor

from gdfq_export.support.fixed_batch.graph_batch import graph_batch

Outputs = Tensor | tuple[Tensor, ...]
"""What a torch network returns: a tensor `[N, ...]` for one value, a tuple of them for several."""

OutputArrays = Sequence[NDArray[np.float32]]
"""What a runtime returns: every output of a file, `[N, ...]` each, in the file's order."""

DecodeFunction = Callable[[OutputArrays, tuple[int, int]], tuple[Any, Any, Any]]
"""Outputs of one image, [1, ...] each, and its (height, width), to boxes [M, 4], scores [M], classes [M]."""


def as_tuple(outputs: Outputs) -> tuple[Tensor, ...]:
    """Give the outputs as a tuple, whether there is one or there are several."""
    return (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)


def concatenated(batches: Sequence[Outputs]) -> Outputs:
    """Join the outputs of batches, [N, ...] each, along N."""
    joined = tuple(
        torch.cat([torch.atleast_1d(part) for part in parts]) for parts in zip(*map(as_tuple, batches), strict=True)
    )
    return joined[0] if len(joined) == 1 else joined


def joined(pieces: Sequence[OutputArrays]) -> OutputArrays:
    """Join the outputs that a runtime gives for batches, along N."""
    return [np.concatenate([np.atleast_1d(part) for part in parts]) for parts in zip(*pieces, strict=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphOutput:
    """One output of a canonical graph, as far as a task is recognised from it.

    Attributes:
        name: of the value.
        shape: sizes; a string where a size depends on the batch.
        op_type: operator that computes it, "" where none does.
        axis: the operator's attribute of that name, if it has one.
        source: first input of that operator, where a node computes it.
        floating: whether its values are floats.
        before_cut: where no gradient reaches it: names of the nearest values before it that have one, which are
            compared in its place.
    """

    name: str
    shape: tuple[int | str, ...]
    op_type: str
    axis: int | None
    source: str | None
    floating: bool = True
    before_cut: tuple[str, ...] | None = None

    def __str__(self) -> str:
        """Name and shape: `scores [n, 10]`."""
        return f"{self.name} [{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkOutputs:
    """What a task is recognised from.

    Attributes:
        outputs: of the canonical graph.
        image: shape of one image, `(C, H, W)`.
        graph: the canonical graph, for what lies behind its outputs.
        asked: the user named the task, so that only what cannot be is refused.
        decode: the user's function that reads boxes from the outputs.
    """

    outputs: tuple[GraphOutput, ...]
    image: tuple[int, ...] = ()
    graph: ir.Model | None = None
    asked: bool = False
    decode: DecodeFunction | None = None

    @property
    def compared(self) -> tuple[str, ...]:
        """Values to compare where nothing is known of the outputs: those that depend on the batch, or what is cut."""
        moving = [each for each in self.outputs if each.shape and isinstance(each.shape[0], str)] or self.outputs
        return tuple(dict.fromkeys(name for each in moving for name in each.before_cut or (each.name,)))

    def __str__(self) -> str:
        """All outputs with their shapes."""
        return ", ".join(map(str, self.outputs)) or "none"


def network_outputs(
    graph: ir.Model, image: Sequence[int], *, cuts: Mapping[str, tuple[str, ...]] = MappingProxyType({})
) -> NetworkOutputs:
    """The outputs of a canonical graph.

    Args:
        graph: the graph.
        image: shape of one image, `(C, H, W)`.
        cuts: `GraphOutput.before_cut` of the outputs that no gradient reaches, by name.
    """
    batch = graph_batch(graph.graph)
    outputs = tuple(_facts(output, cuts.get(str(output.name)), batch) for output in graph.graph.outputs)
    return NetworkOutputs(outputs=outputs, image=tuple(image), graph=graph)


def _facts(output: ir.Value, before_cut: tuple[str, ...] | None, batch: int | None) -> GraphOutput:
    node = output.producer()
    x = None if node is None or not node.inputs else node.inputs[0]
    computed = x is not None and x.producer() is not None
    return GraphOutput(
        name=str(output.name),
        shape=_sizes(output, batch),
        op_type="" if node is None else node.op_type,
        axis=node.attributes.get_int("axis", -1) if node is not None and "axis" in node.attributes else None,
        source=str(x.name) if x is not None and computed else None,
        floating=output.dtype is None or output.dtype.is_floating_point(),
        before_cut=before_cut,
    )


def _sizes(output: ir.Value, batch: int | None) -> tuple[int | str, ...]:
    """Sizes of an output; the batch in front is a string, also where the graph is fixed to it."""
    sizes = [size if isinstance(size, int) else str(size.value or "?") for size in output.shape or ()]
    if sizes and sizes[0] == batch:
        sizes[0] = "batch"
    return tuple(sizes)
