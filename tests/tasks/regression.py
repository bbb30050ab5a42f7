"""A second task, as one file would add it: any number of float outputs of any rank, and no classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from torch import Tensor

from calib.aim import Aim, NoAim
from gdfq_export.tasks.output_error import relative_error
from gdfq_export.tasks.task import GraphOutput, OutputArrays, Outputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    name: ClassVar[str] = "regress"

    compared: tuple[str, ...]
    shapes: tuple[tuple[int | str, ...], ...]

    @classmethod
    def recognise(cls, outputs: Sequence[GraphOutput]) -> Self | str:
        return cls(compared=tuple(each.name for each in outputs), shapes=tuple(each.shape for each in outputs))

    @property
    def aim(self) -> Aim:
        return NoAim()

    @property
    def facts(self) -> Mapping[str, int]:
        return {}

    def error(self, found: Outputs, wanted: Outputs) -> Tensor:
        return relative_error(found, wanted)

    def agreement(self, float_outputs: OutputArrays, outputs: OutputArrays, source: str) -> dict[str, float]:
        """Signal to noise of each output, dB."""
        del source
        pairs = zip(self.compared, float_outputs, outputs, strict=True)
        return {name: float(10 * np.log10(np.var(x) / np.square(x - y).mean())) for name, x, y in pairs}

    def accuracy(self, float_outputs: OutputArrays, outputs: OutputArrays, truth: Any, source: str) -> dict[str, float]:
        return self.agreement(truth, outputs, source)

    def warnings(self, accuracy: Any) -> tuple[str, ...]:
        return ()

    def fits(self, shapes: Sequence[Sequence[int]]) -> bool:
        return [len(shape) for shape in shapes] == [len(shape) for shape in self.shapes]

    def describe(self, shapes: Sequence[Sequence[int]] | None = None) -> str:
        return f"outputs {[list(shape) for shape in shapes or self.shapes]}"
