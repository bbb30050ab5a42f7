"""Task: what a network's outputs mean, and the only place that knows it.

Every other room sees named outputs of any number and rank. A task is bound to one network: `find_task`
(`tasks/registry.py`) makes it from the graph's outputs, `FloatModel.task` carries it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from torch import Tensor

from calib.aim import Aim
from calib.input_spec import InputSpec
from gdfq_export.tasks.figures import ComparedOutputs, TaskFigure
from gdfq_export.tasks.labelled_images import LabelledImages
from gdfq_export.tasks.outputs import Outputs


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

    def figures(self, compared: ComparedOutputs) -> tuple[TaskFigure, ...]:
        """Figures beside the error of each output, those on labels where `compared.truth` holds some.

        Raises:
            InputError: the outputs are not of this task, or outputs and truth do not belong together.
        """
        ...

    def read_data(self, path: Path, spec: InputSpec) -> LabelledImages:
        """Read real images that the user gives as --data, and what this task needs to score them.

        Raises:
            DataError: the file or folder is missing or does not hold what is needed.
        """
        ...

    def fits(self, shapes: Sequence[Sequence[int]]) -> bool:
        """Whether outputs of these shapes, batch included, may be this network's.

        A size that is not known is 0, a shape that is not known is empty.
        """
        ...

    def describe(self, shapes: Sequence[Sequence[int]] | None = None) -> str:
        """What outputs of these shapes are, None: this network's: `10 classes`."""
        ...
