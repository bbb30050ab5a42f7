"""What a choice of precision measured, kept in the run's checkpoints: a run that goes on makes the same choice.

Times differ from run to run, and with them the choice; so each is kept as soon as it is measured.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from calib.checkpoints.checkpoint import Checkpoint, Checkpoints
from gdfq_export.jobs.precision.measured_draft import MeasuredDraft
from gdfq_export.planning.precision.costs import Costs, UnitTime


class KeptMeasurements:
    """Drafts and times of one form of a network.

    Args:
        checkpoints: of the run.
        form: name of the form.
    """

    def __init__(self, checkpoints: Checkpoints, form: str) -> None:
        self._drafts = checkpoints.of(f"precision of {form}, drafts")
        self._costs = checkpoints.of(f"precision of {form}, times")
        self.noise: Checkpoint = checkpoints.of(f"precision of {form}, errors")
        state = self._drafts.kept() or {"drafts": []}
        self._made = {draft.floats: draft for draft in map(_draft, state["drafts"])}

    def draft(self, floats: frozenset[str], make: Callable[[], MeasuredDraft]) -> MeasuredDraft:
        """The measured draft with these units float; each is made once."""
        if floats not in self._made:
            self._made[floats] = make()
            self._drafts.keep({"drafts": [_facts(draft) for draft in self._made.values()]})
        return self._made[floats]

    def costs(self, measure: Callable[[], Costs]) -> Costs:
        """Times of the units and of conversions; measured once."""
        if (state := self._costs.kept()) is not None:
            units = {name: UnitTime(**times) for name, times in state["units"].items()}
            return Costs(**{**state, "units": units})
        costs = measure()
        self._costs.keep(dataclasses.asdict(costs))
        return costs


def _facts(draft: MeasuredDraft) -> dict[str, Any]:
    lists = {
        "floats": sorted(draft.floats),
        "noise": draft.noise.tolist(),
        "margin_db": draft.margin_db.tolist(),
    }
    return {**dataclasses.asdict(draft), **lists}


def _draft(facts: dict[str, Any]) -> MeasuredDraft:
    arrays = {name: np.asarray(facts[name], np.float64) for name in ("noise", "margin_db")}
    return MeasuredDraft(**{**facts, **arrays, "floats": frozenset(facts["floats"])})
