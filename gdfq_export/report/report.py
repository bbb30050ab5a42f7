"""The report of one run. Its JSON form holds every figure; tables and pages are views of it.

Keys carry their units (`p50_ms`, `drop_pp`, `bytes`). Each figure stands beside its number of images and their source.
A figure that was not measured is null, and `reasons` says why under the figure's dotted name.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gdfq_export.metrics.coverage import Coverage
from gdfq_export.metrics.in_domain import InDomain
from gdfq_export.metrics.latency import Latency
from gdfq_export.metrics.layer_error import LayerErrors
from gdfq_export.metrics.parity import ParityResult
from gdfq_export.metrics.resources import Resources
from gdfq_export.metrics.weights import WeightCodes
from gdfq_export.planning.layer_mix import LayerMix
from gdfq_export.report.cpu_figures import CpuFigures
from gdfq_export.report.json_form import SCHEMA_VERSION, from_json, read_report_json, to_json_data
from gdfq_export.report.precision_choice import PrecisionFacts
from gdfq_export.report.summary_table import summary_rows
from gdfq_export.report.target_choice import TargetChoice
from gdfq_export.report.verdict import GateResult, Outcome
from gdfq_export.runtimes.environment.computing import Computing
from gdfq_export.runtimes.environment.machine import Machine
from gdfq_export.support.files import write_files
from gdfq_export.support.finding import Finding
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.tasks.classification.accuracy import Accuracy
from gdfq_export.tasks.classification.agreement import Agreement
from gdfq_export.tasks.figures import TaskFigures

__all__ = [
    "SCHEMA_VERSION",
    "AccuracyOverTime",
    "AccuracyPoint",
    "BudgetFacts",
    "CalibrationFacts",
    "Curve",
    "FileFacts",
    "Files",
    "InputFacts",
    "MixedBitsFacts",
    "NamedInput",
    "RecipeFacts",
    "Report",
    "RuntimeFacts",
]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """One file, ONNX or an engine; `name` without its folder."""

    name: str
    bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """What went in and what came out; `size_ratio` is quantized by float."""

    float_network: FileFacts
    quantized: FileFacts
    size_ratio: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RecipeFacts:
    """The recipe as it was given, overrides included, by the SHA-256 of its canonical form, and as it was run.

    `used` holds what the images' size, a budget, `bits.mixed` and `bits.precision` made of it; as a recipe it repeats
    the run.
    """

    name: str
    target: str
    sha256: str
    used: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationFacts:
    """The data ranges were taken from: a sampler's name or the user's file; `provenance` as stored with it."""

    source: str
    images: int
    provenance: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BudgetFacts:
    """A run with a budget in seconds, and the seconds that went by until all was measured."""

    seconds: float
    seconds_spent: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyPoint:
    """The low-bit network on held-out images, `seconds` after the run began, after a phase or a step of fine-tuning.

    `output_error` is the task's error of the outputs, for a classifier the squared error of the logits by their
    variance; `agreement` is a classifier's share of images with the float network's class. `kept`: the file has it.
    """

    seconds: float
    phase: str
    step: int
    output_error: float
    agreement: float | None
    kept: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyOverTime:
    """How a run with a budget went, measured on `images` synthetic images that nothing is tuned on."""

    images: int
    points: tuple[AccuracyPoint, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MixedBitsFacts:
    """A run with mixed bits: error of the outputs by the layer whose weights alone were rounded, and the raised layers.

    `growth` is the share by which the bytes of the weights grew. Where none would, nothing is measured: all are raised.
    `layers` has the bits of each layer and what decided, `operations` the bit operations relative to 8 bits everywhere.
    """

    sensitivity: Mapping[str, float]
    raised: Sequence[str]
    growth: float
    layers: Sequence[LayerMix] = ()
    operations: float | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeFacts:
    """The runtime that the file is made for, the one it was measured in here, and why where they differ."""

    name: str
    measured_in: str
    reason: str | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class KeptNode:
    """A node that the recipe keeps float or gives 16-bit activations, as `reason` says."""

    node: str
    op_type: str
    reason: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NamedInput:
    """One of several inputs: shape without the batch, preprocessing (pixel / scale - mean) / std."""

    name: str
    shape: Sequence[int]
    scale: float
    mean: Sequence[float]
    std: Sequence[float]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class InputFacts:
    """What an image is: shape (C, H, W), preprocessing (pixel / scale - mean) / std; `classes` of a classifier.

    Of several inputs `inputs` says it; `shape` is then the number of all their values, `mean` and `std` are empty.
    """

    shape: Sequence[int]
    scale: float
    mean: Sequence[float]
    std: Sequence[float]
    classes: int | None
    inputs: Sequence[NamedInput] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """How one figure of one phase went, at `steps` of `total` (a sample of them where there were many)."""

    phase: str
    metric: str
    total_steps: int
    steps: Sequence[int]
    values: Sequence[float]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything one run measured, and what it takes to run it again.

    `command` is quantize or verify; what only the run that made the file knows (recipe, seed, calibration, curves) is
    None or empty in the report of a file that was found; `computing` is what its bytes were computed with. `cpus` are
    those that `verify --cpu` named. `in_domain` has each set of real images beside the statistics of the training data.
    """

    command: str
    tool_version: str
    source: str
    files: Files
    input: InputFacts
    recipe: RecipeFacts | None
    seed: int | None
    calibration: CalibrationFacts | None
    accuracy: Accuracy | NotMeasured
    agreement: Agreement | NotMeasured
    parity: ParityResult | NotMeasured
    simulation: Agreement | NotMeasured
    coverage: Coverage | NotMeasured
    latency: Latency | NotMeasured
    layers: LayerErrors | NotMeasured
    weights: tuple[WeightCodes, ...] | NotMeasured
    resources: Resources | NotMeasured
    findings: tuple[Finding, ...] | NotMeasured
    seconds_by_phase: Mapping[str, float]
    warnings: tuple[str, ...]
    machine: Machine
    versions: Mapping[str, str]
    task: TaskFigures | None = None
    budget: BudgetFacts | None = None
    accuracy_over_time: AccuracyOverTime | None = None
    mixed_bits: MixedBitsFacts | None = None
    precision: PrecisionFacts | None = None
    kept: tuple[KeptNode, ...] = ()
    runtime: RuntimeFacts | None = None
    target_choice: TargetChoice | None = None
    cpus: tuple[CpuFigures, ...] = ()
    in_domain: tuple[InDomain, ...] = ()
    curves: tuple[Curve, ...] = ()
    gates: tuple[GateResult, ...] = ()
    computing: Computing | None = None

    @property
    def outcome(self) -> Outcome:
        """All gates together."""
        return Outcome(self.gates)

    @property
    def passed(self) -> bool:
        """Whether every gate passed; true without gates."""
        return all(gate.passed for gate in self.gates)

    def __str__(self) -> str:
        """The summary as a table in plain text: verdict, accuracy or agreement, speed, size, parity."""
        rows = summary_rows(self)
        widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
        return "\n".join(f"{what:<{widths[0]}}  {value:<{widths[1]}}  {note}".rstrip() for what, value, note in rows)

    def to_json(self) -> str:
        """Indented JSON with a stable key order, ending in a newline.

        Raises:
            InternalError: a figure is NaN or infinite, or a value has no JSON form.
        """
        reasons: dict[str, str] = {}
        body = {"schema_version": SCHEMA_VERSION, **to_json_data(self, "", reasons), "reasons": reasons}
        return json.dumps(body, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def save(self, path: Path | str) -> None:
        """Write `to_json()` to `path`, whole or not at all.

        Raises:
            InputError: `path` cannot be written.
        """
        write_files({Path(path): self.to_json()})

    @classmethod
    def load(cls, path: Path | str) -> Report:
        """Read a report that `save` or `--json` wrote, of schema version 2 to 4.

        Raises:
            InputError: the file cannot be read, is not a report of such a version, or lacks a key.
        """
        what = f"the report {path}"
        return from_json(cls, read_report_json(Path(path), what, oldest=2), what)
