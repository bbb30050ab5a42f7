"""`bits.precision: auto`: which nodes stay float so that the goals hold, at the least time.

Everything is quantized at first. Where that draft misses a goal, the error of every output with each tensor alone
quantized, and the time of each node as integers and in float, go into an integer programme
(`planning/precision/programme.py`); `search.py` makes its choices drafts and measures them.

A network may have two forms: with channels scaled around its HardSwish (`planning/scaled_hard_swish.py`), which costs
time and is more accurate as integers, and without. Each is tried unless its fastest choice is slower than what was
found in the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from torch import Tensor

from gdfq_export.jobs.precision.choice import Choice
from gdfq_export.jobs.precision.drafts import Drafts, PrecisionJob
from gdfq_export.jobs.precision.search import search
from gdfq_export.jobs.precision.unit_costs import measured_costs, tabulated_costs
from gdfq_export.planning.precision.costs import Costs, Limits
from gdfq_export.planning.precision.goals import Goals
from gdfq_export.planning.precision.programme import Programme
from gdfq_export.planning.precision.units import Units, units_of
from gdfq_export.support.progress import Phase
from gdfq_export.tuning.sensitivity import noise_alone


def choose_precision(
    jobs: Sequence[PrecisionJob], goals: Goals, images: Tensor, on_step: Phase
) -> tuple[PrecisionJob, Choice]:
    """Measure and choose.

    Args:
        jobs: the network in each of its forms, and its recipe for that form.
        goals: what is to be reached.
        images: [N, C, H, W] in the network's input range.
        on_step: called after each measured tensor.

    Returns:
        The form that was chosen, and the choice.
    """
    forms = [_Form(job, goals, images, on_step) for job in jobs]
    forms = [form for form in forms if form.drafts.timed] or forms[:1]
    best = min(forms, key=lambda form: form.choice.chosen.latency_ratio or 0.0)
    best.search()
    for form in forms:
        if form is not best and form.may_be_better_than(best.choice):
            form.search()
            best = form if form.choice.better_than(best.choice) else best
    return best.job, best.choice


class _Form:
    """One form of a network: its first draft, and what the programme takes."""

    def __init__(self, job: PrecisionJob, goals: Goals, images: Tensor, on_step: Phase) -> None:
        self.job = job
        self.drafts = Drafts(job, images)
        self._on_step = on_step
        first = self.drafts.make(frozenset())
        self.choice = Choice(
            goals=goals,
            drafts=self.drafts,
            measured=[first],
            make_programme=self._programme,
            chosen=first,
            scale=np.ones(len(first.noise)),
        )

    def search(self) -> None:
        """Leave the choice made."""
        if not self.choice.reached:
            self.choice.set_programme()
            search(self.choice, self.choice.chosen)

    def may_be_better_than(self, other: Choice) -> bool:
        """Whether the fastest of all choices, whatever its noise, is faster than what another form came to."""
        ratio = other.latency_ratio(other.chosen)
        if not other.reached or ratio is None:
            return True
        programme = Programme(units=self._units, noise={}, costs=self._costs)
        first, everything = self.choice.chosen, self.drafts.make(programme.everything)
        if first.latency_ratio is not None and everything.latency_ratio is not None:
            programme = programme.with_ends(first.latency_ratio, everything.latency_ratio)
        fastest = programme.fastest(Limits())
        return fastest is None or programme.ratio_of(fastest) < ratio

    def _programme(self) -> Programme:
        noise = noise_alone(
            self.drafts.everything_quantized.simulator,
            self.drafts.measured_on,
            self._units.points,
            on_point=lambda done, total: self._on_step(done, total, {}),
            checkpoint=self.drafts.kept.noise,
        )
        return Programme(units=self._units, noise=noise, costs=self._costs)

    @cached_property
    def _units(self) -> Units:
        return units_of(self.job.model.folded.graph, self.drafts.everything_quantized.simulator.plan)

    @cached_property
    def _costs(self) -> Costs:
        if not self.drafts.profiled:
            return tabulated_costs(self._units)
        return self.drafts.kept.costs(self._measured_costs)

    def _measured_costs(self) -> Costs:
        draft = self.drafts.everything_quantized.draft
        return measured_costs(self.job.model, draft, self._units, self.drafts.timing_images)
