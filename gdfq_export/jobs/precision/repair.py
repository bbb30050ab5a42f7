"""When a gate on accuracy fails on the tuned file: further layers are made float, and the network is tuned again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from gdfq_export.gates import GATES
from gdfq_export.jobs.precision.choice import Choice
from gdfq_export.jobs.precision.precision_facts import precision_facts
from gdfq_export.jobs.result import Result
from gdfq_export.jobs.tune_network import ChosenPrecision
from gdfq_export.report.precision_choice import PrecisionFacts
from gdfq_export.report.verdict import GateResult, Verdict

_ON_ACCURACY = frozenset(gate.name for gate in GATES if gate.on_accuracy)
_ATTEMPTS = 4
_HALF, _LITTLE = 0.5, 0.9
_SNR = "min-output-snr-db"


def repaired(
    result: Result, tuned_again: Callable[[ChosenPrecision, frozenset[str], int], Result], time_left: Callable[[], bool]
) -> Result:
    """The result with layers raised until its gates on accuracy hold, nothing is left to raise or time is up.

    Args:
        result: of a run whose precision was chosen.
        tuned_again: the result with these nodes float; the number counts the attempts.
        time_left: whether the run's time budget, if it has one, has a share left for another attempt.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        chosen = result.tuned.precision
        factor = _factor(result.report.gates)
        if chosen is None or factor is None or not time_left():
            break
        before = chosen.choice.floats
        floats = chosen.choice.raise_more(factor)
        if floats == before:
            break
        if not _is_affordable(chosen.choice, floats):
            chosen.choice.raised -= floats - before
            break
        result = tuned_again(chosen, floats, attempt)
    if result.tuned.precision is None:
        return result
    facts = precision_facts(result.tuned.precision.choice)
    facts = dataclasses.replace(facts, reached=facts.reached and result.report.passed)
    warnings = (*result.report.warnings, *_not_reached(facts))
    return dataclasses.replace(result, report=dataclasses.replace(result.report, precision=facts, warnings=warnings))


def _not_reached(facts: PrecisionFacts) -> tuple[str, ...]:
    """Which layers stood in the way of goals that cannot be reached together."""
    if not facts.in_the_way:
        return ()
    return (
        f"bits.precision: the goals ({facts.goals}) cannot be reached together; most in the way stood "
        f"{' and '.join(facts.in_the_way)}, of which the largest error is left; the file has the least error that was "
        "found within the limits on time and bytes",
    )


def _factor(gates: tuple[GateResult, ...]) -> float | None:
    """By how much the noise has to fall; None where no gate asks for it."""
    factors = []
    for gate in gates:
        if gate.name == _SNR and not gate.passed and gate.low is not None:
            factors.append(min(_LITTLE, 10 ** ((gate.low - float(gate.limit)) / 10)))
        elif gate.name in _ON_ACCURACY and gate.verdict is Verdict.FAILED:
            factors.append(_HALF)
    return min(factors, default=None)


def _is_affordable(choice: Choice, floats: frozenset[str]) -> bool:
    limit = choice.goals.latency_ratio
    return limit is None or choice.predicted_ratio(floats) <= limit
