"""A choice of precision as the report shows it: frontier, chosen point, and why for each layer."""

from __future__ import annotations

import numpy as np

from gdfq_export.jobs.precision.choice import Choice
from gdfq_export.jobs.precision.measured_draft import MeasuredDraft, decibels
from gdfq_export.planning.precision.costs import Limits
from gdfq_export.planning.precision.programme import Programme
from gdfq_export.planning.precision.units import Unit
from gdfq_export.report.precision_choice import FrontierPoint, LayerPrecision, PrecisionFacts

_POINTS, _REACH_DB = 8, 28.0
"""Of the predicted frontier: how many, and how far above the network with everything quantized."""


def precision_facts(choice: Choice) -> PrecisionFacts:
    """What was measured and chosen."""
    return PrecisionFacts(
        goals=str(choice.goals),
        reached=choice.reached,
        images=choice.drafts.held_out,
        profiled=choice.programme is not None and choice.programme.costs.measured,
        layers=_layers(choice),
        frontier=(*_predicted(choice), *(_measured(choice, draft) for draft in choice.measured)),
        in_the_way=choice.in_the_way(),
        raised=tuple(sorted(choice.raised)),
    )


def _layers(choice: Choice) -> tuple[LayerPrecision, ...]:
    if choice.programme is None:
        return ()
    alone = choice.programme.noise_by_unit(frozenset())
    whole = np.maximum(choice.programme.noise_of(frozenset()), np.finfo(float).tiny)
    found = []
    for unit in choice.programme.units.units:
        times = choice.programme.costs.units[unit.name]
        found.append(
            LayerPrecision(
                layer=unit.name,
                op_type=unit.op_type,
                precision="float" if unit.name in choice.floats else "int8",
                reason=_reason(choice, choice.programme, unit, float((alone[unit.name] / whole).max())),
                noise=float(alone[unit.name].max(initial=0.0)),
                integer_ms=times.integer,
                float_ms=times.floating,
                bytes_added=unit.bytes_added,
            )
        )
    return tuple(found)


def _reason(choice: Choice, programme: Programme, unit: Unit, share: float) -> str:
    """Why a unit is float or not; `share` is its part of the error of the output that it harms most."""
    floats, outputs = choice.floats, len(choice.chosen.noise)
    costs = programme.time_of(floats | {unit.name}) - programme.time_of(floats - {unit.name})
    part = f"{share:.1%} of the error{' of the output it harms most' if outputs > 1 else ''}"
    time = f"float takes {abs(costs):.3g} ms {'more' if costs > 0 else 'less'}"
    if unit.name in choice.raised:
        return f"made float after a gate had failed: {part}; {time}"
    if unit.name in choice.in_the_way():
        return f"stands in the way of the goals: {part}; {time}"
    return f"{part}; {time}"


def _predicted(choice: Choice) -> list[FrontierPoint]:
    """From everything quantized to everything float, the fastest choice for each level of noise."""
    programme = choice.programme
    if programme is None:
        return []
    whole = programme.noise_of(frozenset())
    found: dict[frozenset[str], None] = {frozenset(): None}
    for step in np.linspace(0.0, _REACH_DB, _POINTS)[1:]:
        floats = programme.fastest(Limits(noise=np.maximum(whole * 10 ** (-step / 10), np.finfo(float).tiny)))
        if floats is not None:
            found[floats] = None
    found[programme.everything] = None
    return [
        FrontierPoint(
            float_layers=len(floats),
            snr_db=decibels(choice.predicted_noise(floats)),
            latency_ratio=choice.predicted_ratio(floats),
            size_ratio=choice.measured[0].size_ratio + programme.bytes_of(floats) / choice.drafts.float_bytes,
            measured=False,
        )
        for floats in found
    ]


def _measured(choice: Choice, draft: MeasuredDraft) -> FrontierPoint:
    ratio = choice.latency_ratio(draft)
    return FrontierPoint(
        float_layers=len(draft.floats),
        snr_db=draft.snr_db,
        latency_ratio=ratio,
        size_ratio=draft.size_ratio,
        measured=True,
        chosen=draft is choice.chosen,
        predicted_latency_ratio=None if choice.programme is None else choice.predicted_ratio(draft.floats),
    )
