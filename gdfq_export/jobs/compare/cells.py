"""A comparison as data: one cell for each method and bit widths, with all that decided its number.

A cell carries its `JobIdentity`: an interrupted comparison continues where it stopped, and a cell is run again only if
its identity has changed.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from gdfq_export.jobs.compare.methods import BIT_WIDTHS, METHODS
from gdfq_export.jobs.resume.identity import JobIdentity
from gdfq_export.report.report import FileFacts
from gdfq_export.runtimes.environment.machine import Machine
from gdfq_export.support.confidence_interval import Proportion
from gdfq_export.synthesis.method import Cut
from gdfq_export.tasks.classification.accuracy import TopK
from gdfq_export.tasks.figures import TaskFigure

CellKey = tuple[str, str]
"""Bit widths and method."""

Labels = Literal["given", "float network's answers"]
"""Whose answers count as right."""

SCHEMA_VERSION = 1
_OF_THE_CELL = ("recipe_sha256", "calibration_sha256", "budget_seconds")  # differ between cells of one comparison


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What the exported file answers, beside the float network, on the same images.

    `top1` and `top5` (None with five classes or fewer) need labels; without them there is the agreement alone. A
    network without classes has `figure` in place of all three, the first one of its task.
    """

    agreement: Proportion | None
    top1: TopK | None
    top5: TopK | None
    figure: TaskFigure | None = None

    @property
    def lost_pp(self) -> tuple[float, float, float]:
        """What was lost, and the ends of its 95 % interval, in percentage points.

        With labels the drop of Top-1, paired; without them the share of answers that are not float's (Wilson). Of a
        task without classes the drop, what is missing to 1, or, for dB, the error relative to the signal.
        """
        if self.figure is not None:
            ends = self.figure.value, self.figure.low, self.figure.high
            if self.figure.unit == "pp":
                return ends
            missing = [100 * (10 ** (-end / 20) if self.figure.unit == "dB" else 1 - end) for end in ends]
            return missing[0], missing[2], missing[1]
        if self.top1 is not None:
            return self.top1.drop_pp, self.top1.drop_low_pp, self.top1.drop_high_pp
        agreement = self.agreement
        assert agreement is not None, "a classifier's answers are compared"
        return 100 * (1 - agreement.value), 100 * (1 - agreement.high), 100 * (1 - agreement.low)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CellResult:
    """A cell that ran.

    Attributes:
        score: of the file.
        seconds: up to the written file, without what was spent on measuring it.
        seconds_measuring: spent on measuring it.
        file: the quantized network, in the folder `files`.
        tuned_on: name of the images.
        images: how many.
        cut: how a published schedule was cut to the budget.
        recipe_used: the recipe as it was run; it gives the same network again without a time budget.
        machine: the machine and runtime, as text.
        warnings: what the user should know.
    """

    score: Score
    seconds: float
    seconds_measuring: float
    file: FileFacts
    tuned_on: str
    images: int
    cut: Cut | None
    recipe_used: Mapping[str, Any]
    machine: str
    warnings: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One method at one setting of bit widths: `measured`, or the `reason` why not."""

    bits: str
    method: str
    recipe: str
    identity: JobIdentity
    measured: CellResult | None = None
    reason: str | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFacts:
    """The float network; `input_shape` is (C, H, W)."""

    name: str
    source: str
    sha256: str
    classes: int | None
    input_shape: tuple[int, ...]
    bytes: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ImagesFacts:
    """A set of images; `labels` says whose answers count as right. The hash is of normalised images and labels."""

    source: str
    images: int
    sha256: str
    labels: Labels


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One network: cells side by side. Machine and versions are those of the last run that wrote it."""

    tool_version: str
    network: NetworkFacts
    target: str
    seed: int
    device: str
    threads: int
    budget_seconds: float
    scored: ImagesFacts
    real: ImagesFacts | None
    machine: Machine
    versions: Mapping[str, str]
    warnings: tuple[str, ...]
    cells: tuple[Cell, ...]

    def with_cell(self, cell: Cell) -> Comparison:
        """The same with `cell`, in place of the one of its method and grid."""
        others = (other for other in self.cells if (other.bits, other.method) != (cell.bits, cell.method))
        return dataclasses.replace(self, cells=in_order((*others, cell)))

    def to_json(self) -> str:
        """Indented JSON with a stable key order, ending in a newline."""
        body = {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(self)}
        return json.dumps(body, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def in_order(cells: Iterable[Cell]) -> tuple[Cell, ...]:
    """By bit widths, then by method, in the order of their tables."""
    widths, methods = list(BIT_WIDTHS), list(METHODS)
    return tuple(sorted(cells, key=lambda cell: (widths.index(cell.bits), methods.index(cell.method))))


def kept_cells(earlier: Comparison | None, asked: Mapping[CellKey, Cell]) -> dict[CellKey, Cell]:
    """CellResult cells of an earlier run that need not, or cannot, be run with those that are asked for.

    A cell that is asked for must have the very identity. One that is not may stay if it belongs to the same comparison:
    its network, images, seed, target, device and tool are the same, and so is the budget, where it takes one.
    """
    if earlier is None:
        return {}
    now = next(iter(asked.values())).identity
    budgets = {cell.identity.budget_seconds for cell in asked.values()} | {None}
    same = {field.name: getattr(now, field.name) for field in dataclasses.fields(now) if field.name not in _OF_THE_CELL}
    kept = {}
    for cell in earlier.cells:
        key, identity = (cell.bits, cell.method), cell.identity
        if cell.measured is None or cell.bits not in BIT_WIDTHS or cell.method not in METHODS:
            continue
        belongs = all(getattr(identity, name) == value for name, value in same.items())
        if identity == asked[key].identity if key in asked else belongs and identity.budget_seconds in budgets:
            kept[key] = cell
    return kept
