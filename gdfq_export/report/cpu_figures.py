"""What was measured of a file on one CPU, this machine's or an emulated one."""

from __future__ import annotations

from dataclasses import dataclass

from gdfq_export.metrics.coverage import Coverage
from gdfq_export.metrics.latency import Latency
from gdfq_export.metrics.parity import ParityResult
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.tasks.classification.agreement import Agreement
from gdfq_export.tasks.figures import TaskFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeComparison:
    """The file's outputs on another CPU beside those on this machine's.

    Attributes:
        values: output values that were compared.
        differing: those that are not equal to the bit.
        integers: every quantized tensor and output beside this machine's, where the file has no exact simulation.
        agreement: of the predicted classes, for a classifier.
        task: figures of the task, with this machine's outputs in the place of the float network's.
    """

    values: int
    differing: int
    integers: ParityResult | NotMeasured
    agreement: Agreement | NotMeasured
    task: TaskFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuFigures:
    """The file on one CPU.

    Attributes:
        cpu: its name, as `verify --cpu` takes it.
        description: what it is.
        emulated: whether it is emulated; then its time means nothing.
        images: how many images were run.
        source: what they are.
        parity: whether it computes every integer as simulated.
        agreement: of the predicted classes with the float network's, for a classifier.
        task: figures of the task beside the float network.
        native: outputs beside those of this machine's CPU.
        coverage: what it executes on integers.
        latency: of this machine's CPU alone.
    """

    cpu: str
    description: str
    emulated: bool
    images: int
    source: str
    parity: ParityResult | NotMeasured
    agreement: Agreement | NotMeasured
    task: TaskFigures | NotMeasured
    native: NativeComparison | NotMeasured
    coverage: Coverage | NotMeasured
    latency: Latency | NotMeasured
