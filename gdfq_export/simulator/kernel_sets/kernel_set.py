"""What a kernel set is: the functions in which the integer kernels of runtimes and CPU families differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from gdfq_export.simulator.codes import CodedTensor
from gdfq_export.support.quant_params import QuantParams
from gdfq_export.targets import Kernel

BinaryKernel = Callable[[CodedTensor, CodedTensor, QuantParams], Tensor]
"""Two tensors and the output's grid to int32 codes."""


class Concat(Protocol):
    """Concatenates along `axis`; int32 codes on `grid`."""

    def __call__(self, parts: Sequence[CodedTensor], grid: QuantParams, *, axis: int) -> Tensor:
        """Compute."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelSet:
    """The integer kernels of one runtime on one CPU family, each emulated to the bit; all give int32 codes.

    Attributes:
        name: what `Target.kernels` calls it.
        requantize: accumulators of a layer, whole numbers in float32 or float64, times float32 multipliers that
            broadcast over them, as codes on the output's grid.
        binary: kernels of two tensors and the output's grid.
        unary: kernels of a tensor and the output's grid, with the operator's attributes as keyword arguments.
        concat: Concat.
    """

    name: str
    requantize: Callable[[Tensor, Tensor, QuantParams], Tensor]
    binary: Mapping[Kernel, BinaryKernel]
    unary: Mapping[Kernel, Callable[..., Tensor]]
    concat: Concat
