"""The search of a choice of precision: drafts until one keeps the goals, then faster ones that still do.

First the integer programme gives its choice, the draft of which is measured; the difference between what was measured
and what was predicted corrects the programme's limits for the next round. Where none of these choices keeps the goals,
everything float does, if the goals allow its time. Then units of the fastest draft that holds are quantized again: the
programme may leave more noise until a draft fails, and the limit is halved (in its logarithm) between the last draft
that holds and the first that fails.
"""

from __future__ import annotations

import math

import numpy as np

from gdfq_export.jobs.precision.choice import Choice
from gdfq_export.jobs.precision.measured_draft import MeasuredDraft
from gdfq_export.planning.precision.costs import Limits, Noise
from gdfq_export.planning.precision.programme import Programme

_ROUNDS, _ROUNDS_BACK = 4, 6
_CLOSE_DB = 0.5  # above the goal: not worth another round
_STRICTER = 0.7  # of the noise limits, where the programme gives a choice that was measured and fails
_GAIN = 0.005  # of the time that another draft must be predicted to save
_MORE = 2.0  # times the noise, where no draft has failed yet
_TRIES = 12  # of limits, most of which give no new choice


def search(choice: Choice, first: MeasuredDraft) -> None:
    """Rounds of programme and draft; leaves the best draft as the chosen one.

    Args:
        choice: whose programme is set.
        first: the draft with everything quantized.
    """
    _find(choice, first)
    if choice.asks_for_accuracy:
        _quantize_more(choice)
    choice.chosen = _best(choice)


def _find(choice: Choice, last: MeasuredDraft) -> None:
    """Drafts until one holds."""
    for _ in range(_ROUNDS):
        floats, within_reach = _next(choice, choice.limits(last))
        known = next((each for each in choice.measured if each.floats == floats), None)
        if known is not None:
            if choice.holds(known) or not within_reach:
                break
            choice.stricter *= _STRICTER
            continue
        last = choice.make(floats)
        if choice.holds(last):
            return


def _next(choice: Choice, limits: Limits) -> tuple[frozenset[str], bool]:
    """The programme's choice, and whether it predicts that the goals hold."""
    programme = _programme(choice)
    floats = programme.fastest(Limits(noise=limits.noise, bytes_added=limits.bytes_added))
    if floats is not None and programme.time_of(floats) <= limits.time:
        return floats, True
    floats = programme.most_accurate(Limits(time=limits.time, bytes_added=limits.bytes_added))
    if floats is None:
        floats = programme.fastest(Limits(bytes_added=limits.bytes_added))
    return floats or frozenset(), False


def _quantize_more(choice: Choice) -> None:
    """Drafts that keep fewer of the same units float, as long as they save time and hold."""
    best = choice.fastest_that_holds()
    if best is None or _is_close(choice, best):
        return
    goal = choice.noise_at_goal(best)
    holding, failing = _share(_programme(choice).noise_of(best.floats), goal), math.inf
    share, drafts = max(1.0, holding) if choice.goals.snr_db is not None else _MORE, 0
    for _ in range(_TRIES):
        floats = _programme(choice).fastest(Limits(noise=share * goal), among=best.floats)
        if floats is not None and _saves(choice, floats, best):
            draft, drafts = choice.make(floats), drafts + 1
            if choice.holds(draft):
                best, holding = draft, share
                if _is_close(choice, best):
                    return
            else:
                failing = share
        elif math.isfinite(failing):
            return
        else:
            holding = max(holding, share)
        if drafts == _ROUNDS_BACK:
            return
        share = math.sqrt(max(holding, share / _MORE**4) * failing) if math.isfinite(failing) else _MORE * share


def _programme(choice: Choice) -> Programme:
    """As it is corrected by the drafts so far."""
    assert choice.programme is not None
    return choice.programme


def _is_close(choice: Choice, draft: MeasuredDraft) -> bool:
    """Whether a draft is so close to the goal that no other is worth a round."""
    return choice.goals.snr_db is not None and draft.snr_low_db <= choice.goals.snr_db + _CLOSE_DB


def _saves(choice: Choice, floats: frozenset[str], best: MeasuredDraft) -> bool:
    """Whether a choice that was not measured yet is predicted to be faster than the best."""
    new = all(draft.floats != floats for draft in choice.measured)
    return new and choice.predicted_ratio(floats) < (1 - _GAIN) * choice.predicted_ratio(best.floats)


def _share(noise: Noise, goal: Noise) -> float:
    return float(np.max(noise / np.maximum(goal, np.finfo(float).tiny), initial=0.0))


def _best(choice: Choice) -> MeasuredDraft:
    """The fastest draft that holds; else the most accurate that is cheap enough, or the least costly of all."""
    if (holding := choice.fastest_that_holds()) is not None:
        return holding
    cheap = [draft for draft in choice.measured if choice.is_cheap(draft)]
    if not cheap:
        return min(choice.measured, key=lambda draft: choice.predicted_ratio(draft.floats))
    return max(cheap, key=lambda draft: draft.snr_db)
