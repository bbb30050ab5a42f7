"""What a batch says of one job: a row of its table, with the figures that decide between jobs of one network."""

from __future__ import annotations

from dataclasses import dataclass

from gdfq_export.errors import GateFailed
from gdfq_export.report.report import Report
from gdfq_export.report.verdict import GateResult, Outcome
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.tasks.classification.accuracy import Accuracy
from gdfq_export.tasks.classification.agreement import Agreement


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What quantization costs, with its 95 % interval: 0 loses nothing.

    In percentage points (`pp`) of labelled images or of answers that are not the float network's; in `%` the error of
    the outputs relative to the signal, or what a ratio lacks to 1.
    """

    title: str
    unit: str
    value: float
    low: float
    high: float
    source: str

    @property
    def text(self) -> str:
        """The figure with its interval.

        >>> Loss(title="drop of Top-1", unit="pp", value=0.5, low=-0.1, high=1.1, source="photos").text
        '0.50 pp [-0.10, 1.10]'
        """
        return f"{self.value:.2f} {self.unit} [{self.low:.2f}, {self.high:.2f}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFigures:
    """What was measured of one job's file.

    Attributes:
        loss: what quantization costs; None where nothing was compared.
        bytes: of the file.
        size_ratio: file by float network.
        latency_ms: median, ms per batch; None where it was not measured.
        speedup: float latency by the file's.
        file_sha256: of the file.
        runtime: what it was measured in.
    """

    loss: Loss | None
    bytes: int
    size_ratio: float
    latency_ms: float | None
    speedup: float | None
    file_sha256: str
    runtime: str

    @classmethod
    def of(cls, report: Report) -> JobFigures:
        """The figures of a report."""
        latency, made = report.latency, report.files.quantized
        measured = None if isinstance(latency, NotMeasured) else latency
        return cls(
            loss=loss_of(report),
            bytes=made.bytes,
            size_ratio=report.files.size_ratio,
            latency_ms=None if measured is None else measured.quantized.p50_ms,
            speedup=None if measured is None else measured.speedup.value,
            file_sha256=made.sha256,
            runtime="" if report.runtime is None else report.runtime.measured_in,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRow:
    """One job: its figures and gates, or the `reason` why there are none.

    `job` is its hash. `exit_code` is what `gdfq-export quantize` would end with: 0, 1 where a gate did not pass, else
    that of the error. `seconds` were spent on it, in the run that made it.
    """

    job: str
    network: str
    recipe: str
    target: str
    seed: int
    figures: JobFigures | None = None
    gates: tuple[GateResult, ...] = ()
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    reason: str | None = None
    failed_with: int = 0

    @property
    def exit_code(self) -> int:
        """0, 1 for a gate, or that of the error."""
        return self.failed_with or (0 if all(gate.passed for gate in self.gates) else GateFailed.exit_code)

    @property
    def name(self) -> str:
        """The job in one line."""
        return f"{self.network}, {self.recipe}, {self.target}, seed {self.seed}"

    @property
    def verdict(self) -> str:
        """`passed`, `failed`, `inconclusive`, `measured` where no gates are set, `not run` for a job with a reason."""
        if self.reason is not None:
            return "not run"
        verdict = Outcome(self.gates).verdict
        return "measured" if verdict is None else verdict.value


def loss_of(report: Report) -> Loss | None:
    """What quantization costs, by the best figure that was measured.

    That is the drop of Top-1 or of the task's own figure on labelled images; else the share of answers that are not
    the float network's; else the first figure of the task; else the error of the worst output.
    """
    if isinstance(report.accuracy, Accuracy):
        top1 = report.accuracy.top1
        drop = {"value": top1.drop_pp, "low": top1.drop_low_pp, "high": top1.drop_high_pp}
        return Loss(title="drop of Top-1", unit="pp", **drop, source=report.accuracy.source)
    task = report.task
    figures = () if task is None else sorted(task.figures, key=lambda figure: figure.unit != "pp")
    source = "" if task is None else task.source
    if figures and figures[0].unit == "pp":
        drop = {"value": figures[0].value, "low": figures[0].low, "high": figures[0].high}
        return Loss(title=figures[0].title, unit="pp", **drop, source=source)
    if isinstance(report.agreement, Agreement):
        top1_agreement = report.agreement.top1
        return Loss(
            title="answers that are not float's",
            unit="pp",
            value=100 * (1 - top1_agreement.value),
            low=100 * (1 - top1_agreement.high),
            high=100 * (1 - top1_agreement.low),
            source=report.agreement.source,
        )
    if figures and figures[0].unit == "":
        value, low, high = (100 * (1 - end) for end in (figures[0].value, figures[0].high, figures[0].low))
        return Loss(title=f"{figures[0].title}, missing to 1", unit="%", value=value, low=low, high=high, source=source)
    if task is None or not task.outputs:
        return None
    worst = min(task.outputs, key=lambda output: output.snr_db)
    value, low, high = (100 * 10 ** (-decibel / 20) for decibel in (worst.snr_db, worst.snr_high_db, worst.snr_low_db))
    title = "error of the outputs relative to the signal"
    return Loss(title=title, unit="%", value=value, low=low, high=high, source=source)
