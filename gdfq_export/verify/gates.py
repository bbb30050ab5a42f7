"""Gates: limits on measured figures, each with a verdict that a pipeline can act on.

A figure that comes from a sample of images is held against its limit with its 95 % interval. Where the limit lies
inside the interval the images do not decide, and the verdict says so, with about how many would, instead of guessing.
A figure that was not measured decides nothing either; both count as not passed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, inf
from typing import TYPE_CHECKING

from gdfq_export.verify.not_measured import NotMeasured

if TYPE_CHECKING:
    from gdfq_export.verify.report import Report

__all__ = ["GATES", "Gate", "GateResult", "Verdict", "decide"]


class Verdict(StrEnum):
    """What a gate came to."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "not decidable"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """One gate: the figure with its 95 % interval where it has one, in `unit`; `limit` is as the user gave it.

    `message` is one sentence: what was found and, where it did not pass, what is to blame or what would decide.
    """

    name: str
    limit: float | bool | str
    unit: str
    value: float | None
    low: float | None
    high: float | None
    verdict: Verdict
    message: str

    @property
    def passed(self) -> bool:
        """Whether it holds for sure."""
        return self.verdict is Verdict.PASSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A measured figure; `low` and `high` are its interval, `images` the sample that gives it one, `on` says of what.

    `blame` is what to say where it misses its limit.
    """

    value: float
    low: float
    high: float
    images: int | None = None
    on: str = ""
    blame: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One gate: its name is its flag, `help` what is measured; `most` says that the limit is an upper one."""

    name: str
    help: str
    unit: str
    most: bool
    figure: Callable[[Report], Figure | NotMeasured]


def decide(report: Report, limits: Mapping[str, float | bool]) -> tuple[GateResult, ...]:
    """Hold a report against limits by gate name (`max-top1-drop-pp: 1.0`), in the order of `GATES`.

    A limit of False asks for nothing.
    """
    results = []
    for gate in GATES:
        limit = limits.get(gate.name)
        if limit is not None and limit is not False:
            results.append(_decide(gate, limit, gate.figure(report)))
    return tuple(results)


def _decide(gate: Gate, limit: float | bool, figure: Figure | NotMeasured) -> GateResult:
    if isinstance(figure, NotMeasured):
        return _result(gate, limit, None, Verdict.UNDECIDED, f"not measured: {figure.reason}")
    bound = 1.0 if limit is True else float(limit)
    inner, outer = (figure.low, figure.high) if gate.most else (-figure.high, -figure.low)
    line = bound if gate.most else -bound
    words = f"{_shown(figure, gate.unit)}{figure.on}"
    if limit is not True:
        words += f"; the limit is {'at most' if gate.most else 'at least'} {_number(bound, gate.unit)}"
    if outer <= line:
        return _result(gate, limit, figure, Verdict.PASSED, words)
    if inner > line or figure.images is None:
        return _result(gate, limit, figure, Verdict.FAILED, f"{words}{figure.blame}")
    return _result(gate, limit, figure, Verdict.UNDECIDED, f"{words}: {_would_decide(figure, bound)}")


def _would_decide(figure: Figure, limit: float) -> str:
    assert figure.images is not None
    gap, half = abs(figure.value - limit), (figure.high - figure.low) / 2
    needed = inf if gap == 0 else figure.images * max(1.0, (half / gap) ** 2)
    with_them = f"not decidable with {figure.images:,} images"
    if needed > 10_000_000:
        return f"{with_them}; the figure lies on the limit, choose another"
    return f"{with_them}; about {ceil(needed / 100) * 100:,} would decide if the figure stays"


def _result(gate: Gate, limit: float | bool, figure: Figure | None, verdict: Verdict, message: str) -> GateResult:
    return GateResult(
        name=gate.name,
        limit=limit,
        unit=gate.unit,
        value=None if figure is None else figure.value,
        low=None if figure is None else figure.low,
        high=None if figure is None else figure.high,
        verdict=verdict,
        message=message,
    )


def _shown(figure: Figure, unit: str) -> str:
    if unit == "yes":
        return "yes" if figure.value else "no"
    interval = ""
    if figure.low != figure.high:
        interval = f" [{_number(figure.low, unit)}, {_number(figure.high, unit)}]"
    return f"{_number(figure.value, unit)}{interval}"


def _number(value: float, unit: str) -> str:
    sign = "+" if unit == "pp" else ""
    return f"{value:{sign}.4g}{f' {unit}' if unit not in ('', 'yes') else ''}"


def _drop(top: str) -> Callable[[Report], Figure | NotMeasured]:
    def figure(report: Report) -> Figure | NotMeasured:
        accuracy = report.accuracy
        if isinstance(accuracy, NotMeasured):
            return accuracy
        scores = getattr(accuracy, top)
        if isinstance(scores, NotMeasured):
            return scores
        return Figure(
            value=scores.drop_pp,
            low=scores.drop_low_pp,
            high=scores.drop_high_pp,
            images=accuracy.images,
            on=f" on {accuracy.images:,} images of {accuracy.source}",
            blame=_worst_layer(report),
        )

    return figure


def _agreement(report: Report) -> Figure | NotMeasured:
    """On the labelled images where there are any."""
    if not isinstance(report.accuracy, NotMeasured):
        share, source = report.accuracy.agreement, report.accuracy.source
    elif not isinstance(report.agreement, NotMeasured):
        share, source = report.agreement.top1, report.agreement.source
    else:
        return report.agreement
    on = f" of {share.images:,} images of {source}"
    return Figure(
        value=share.value, low=share.low, high=share.high, images=share.images, on=on, blame=_worst_layer(report)
    )


def _layer_snr(report: Report) -> Figure | NotMeasured:
    if isinstance(report.layers, NotMeasured):
        return report.layers
    worst = min(report.layers.layers, key=lambda layer: layer.snr_db)
    exact = worst.snr_db
    on = f" in {worst.tensor}, computed by {worst.op_type or 'the input'} {worst.node}".rstrip()
    return Figure(value=exact, low=exact, high=exact, on=on, blame=_worst_layer(report))


def _latency_ratio(report: Report) -> Figure | NotMeasured:
    if isinstance(report.latency, NotMeasured):
        return report.latency
    speedup = report.latency.speedup
    on = f" of float's time, batch {report.latency.batch}, {speedup.rounds} interleaved rounds"
    low, high = 1 / speedup.high, 1 / speedup.low
    return Figure(value=1 / speedup.value, low=low, high=high, images=None, on=on, blame=_float_nodes(report))


def _p99(report: Report) -> Figure | NotMeasured:
    if isinstance(report.latency, NotMeasured):
        return report.latency
    value = report.latency.quantized.p99_ms
    on = f" over {report.latency.quantized.runs:,} runs of batch {report.latency.batch}"
    return Figure(value=value, low=value, high=value, on=on)


def _size_ratio(report: Report) -> Figure | NotMeasured:
    files, value = report.files, report.files.size_ratio
    on = f" of float: {files.quantized.bytes:,} of {files.float_network.bytes:,} bytes"
    return Figure(value=value, low=value, high=value, on=on)


def _coverage(report: Report) -> Figure | NotMeasured:
    if isinstance(report.coverage, NotMeasured):
        return report.coverage
    coverage = report.coverage
    total = coverage.integer_compute + len(coverage.float_compute)
    on = f": {coverage.integer_compute} of {total} layers run on integers in {coverage.runtime}"
    return Figure(value=coverage.ratio, low=coverage.ratio, high=coverage.ratio, on=on, blame=_float_nodes(report))


def _parity(report: Report) -> Figure | NotMeasured:
    if isinstance(report.parity, NotMeasured):
        return report.parity
    parity = report.parity
    on = f": {parity.differing:,} of {parity.elements:,} integers differ from the simulation on {parity.images} images"
    blame = "" if parity.first_differing is None else f", first in {parity.first_differing}"
    value = float(parity.exact)
    return Figure(value=value, low=value, high=value, on=on, blame=blame)


def _rules(report: Report) -> Figure | NotMeasured:
    broken = [finding for finding in report.findings if finding.consequence in _SERIOUS]
    value = float(not broken)
    on = f": {len(broken)} nodes break a rule of the runtime" if broken else ": no node breaks a rule of the runtime"
    blame = "" if not broken else f", first {broken[0].message}"
    return Figure(value=value, low=value, high=value, on=on, blame=blame)


_SERIOUS = frozenset({"refused", "wrong numbers"})


def _worst_layer(report: Report) -> str:
    """Which layer the error enters by, where there is one to name."""
    if isinstance(report.layers, NotMeasured) or report.layers.worst is None:
        return ""
    layer = next(layer for layer in report.layers.layers if layer.tensor == report.layers.worst)
    by = f"{layer.op_type} {layer.node}" if layer.op_type else "the input"
    before = "" if layer.inputs_snr_db is None else f" from {layer.inputs_snr_db:.1f}"
    why = f": {layer.cause}" if layer.cause else ""
    return f"; most error enters by {by}, whose tensor {layer.tensor} falls{before} to {layer.snr_db:.1f} dB{why}"


def _float_nodes(report: Report) -> str:
    if isinstance(report.coverage, NotMeasured) or not report.coverage.float_compute:
        return ""
    named = [f"{node.op_type} {node.name}" for node in report.coverage.float_compute]
    rest = f" and {len(named) - 5} more" if len(named) > 5 else ""
    return f"; in float: {', '.join(named[:5])}{rest}"


GATES: tuple[Gate, ...] = (
    Gate(
        name="require-rules",
        help="No node of the file may break a rule of its runtime so that it is refused or computes wrong numbers.",
        unit="yes",
        most=False,
        figure=_rules,
    ),
    Gate(name="require-parity", help="Every integer must be as simulated.", unit="yes", most=False, figure=_parity),
    Gate(
        name="max-top1-drop-pp",
        help="Top-1 of float less that of the file, in percentage points, on labelled images.",
        unit="pp",
        most=True,
        figure=_drop("top1"),
    ),
    Gate(name="max-top5-drop-pp", help="The same for top-5.", unit="pp", most=True, figure=_drop("top5")),
    Gate(
        name="min-agreement",
        help="Share of images, 0 to 1, to which float and file give the same answer.",
        unit="",
        most=False,
        figure=_agreement,
    ),
    Gate(
        name="min-layer-snr-db",
        help="Signal to noise of the worst layer, in dB.",
        unit="dB",
        most=False,
        figure=_layer_snr,
    ),
    Gate(
        name="min-integer-coverage",
        help="Share, 0 to 1, of convolutions and matrix products that the runtime executes on integers.",
        unit="",
        most=False,
        figure=_coverage,
    ),
    Gate(name="max-latency-ratio", help="The file's time by float's.", unit="", most=True, figure=_latency_ratio),
    Gate(
        name="max-p99-ms",
        help="99th percentile of the file's time, in milliseconds a run.",
        unit="ms",
        most=True,
        figure=_p99,
    ),
    Gate(name="max-size-ratio", help="The file's bytes by float's.", unit="", most=True, figure=_size_ratio),
)
