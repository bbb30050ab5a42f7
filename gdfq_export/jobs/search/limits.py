"""What a search asks of a file: gates, and a limit on its median latency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gdfq_export.gates import GATES
from gdfq_export.jobs.search.draft_facts import DraftFacts
from gdfq_export.report.batch.row import BatchRow
from gdfq_export.report.verdict import GateResult, Verdict

_ON_ACCURACY = frozenset(gate.name for gate in GATES if gate.on_accuracy)
_MOST = {gate.name: gate.most for gate in GATES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Gates by name as `quantize` takes them, and the largest median latency in ms per batch."""

    gates: Mapping[str, float | bool] = field(default_factory=dict)
    max_latency_ms: float | None = None

    def misses(self, row: BatchRow) -> tuple[str, ...]:
        """Which limits a file that was measured does not meet; an inconclusive gate is not met."""
        missed = [f"{gate.title}: {gate.verdict.value}, {gate.message}" for gate in row.gates if not gate.passed]
        latency = None if row.figures is None else row.figures.latency_ms
        if self.max_latency_ms is not None and (latency is None or latency > self.max_latency_ms):
            found = "not measured" if latency is None else f"{latency:.3g} ms"
            missed.insert(0, f"max-latency-ms {self.max_latency_ms:g}: the median is {found}")
        return tuple(missed)

    def meets(self, row: BatchRow) -> bool:
        """Whether a cell was measured and meets every limit."""
        return row.reason is None and not self.misses(row)

    def excess(self, row: BatchRow) -> float:
        """How far a file is from the limits: the excess of each figure over its limit, relative to it, summed up."""
        latency = None if row.figures is None else row.figures.latency_ms
        over = 0.0
        if self.max_latency_ms is not None:
            over += 1.0 if latency is None else max(0.0, latency / self.max_latency_ms - 1)
        return over + sum(_excess(gate) for gate in row.gates if not gate.passed)

    def too_much(self, facts: DraftFacts) -> str | None:
        """Why no file of a structure can meet the limits on speed and size, by its draft; None where one may."""
        ratio, low_ratio, _ = facts.latency_ratio
        latency, low, _ = facts.latency_ms
        largest = {
            "max-size-ratio": (facts.size_ratio, f"its draft has {facts.size_ratio:.3f} of float's size"),
            "max-latency-ratio": (low_ratio, f"its draft takes {ratio:.3f} of float's time"),
            "max-p99-ms": (low, f"its draft takes {latency:.3g} ms in the median"),
        }
        limits = {name: float(self.gates[name]) for name in largest if name in self.gates}
        for name, limit in limits.items():
            if largest[name][0] > limit:
                return f"{largest[name][1]}; {name} is {limit:g}"
        if self.max_latency_ms is not None and low > self.max_latency_ms:
            return f"its draft takes {latency:.3g} ms; max-latency-ms is {self.max_latency_ms:g}"
        return None


def fails_accuracy(row: BatchRow) -> GateResult | None:
    """A gate on accuracy that the file fails for sure, its whole interval on the wrong side."""
    failed = (gate for gate in row.gates if gate.name in _ON_ACCURACY and gate.verdict is Verdict.FAILED)
    return next(failed, None)


def _excess(gate: GateResult) -> float:
    if gate.value is None or isinstance(gate.limit, bool | str):
        return 1.0
    far = gate.value - gate.limit if _MOST[gate.name] else gate.limit - gate.value
    interval = 0.0 if gate.low is None or gate.high is None else (gate.high - gate.low) / 2
    return max(0.0, far, interval) / max(abs(gate.limit), 1e-9)
