"""`bits.precision: auto`: which nodes stay float so that the goals hold, at the least time.

Everything is quantized at first. Where that draft misses a goal, the error of every output with each tensor alone
quantized, and the time of each node as integers and in float, go into an integer programme
(`planning/precision/programme.py`). Its choice is made a draft and measured; the difference between what was measured
and what was predicted corrects the programme's limits for the next round. The cheapest draft that holds is kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from gdfq_export.jobs.draft_model import Draft
from gdfq_export.jobs.precision.drafts import Drafts, MeasuredDraft, PrecisionJob
from gdfq_export.jobs.precision.unit_costs import measured_costs, tabulated_costs
from gdfq_export.planning.precision.costs import Limits, Noise
from gdfq_export.planning.precision.goals import Goals
from gdfq_export.planning.precision.programme import Programme
from gdfq_export.planning.precision.units import units_of
from gdfq_export.simulator import Simulator
from gdfq_export.support.progress import Phase
from gdfq_export.tuning.sensitivity import noise_alone

_ROUNDS = 5
_CLOSE_DB = 0.5  # above the goal: not worth another round
_STRICTER = 0.7  # of the noise limits, where the programme gives a choice that was measured and fails
_HALF = 0.5  # of the noise, where only the share of equal classes is a goal
_LEAST_TIME = 1e-3  # of the whole, below which times of choices do not differ
_WITHIN = 0.98  # of a limit on latency, which varies from run to run


@dataclass(kw_only=True)
class Choice:
    """A choice of precision under way.

    Attributes:
        goals: what is to be reached.
        drafts: makes and measures drafts.
        measured: the drafts so far, the first with everything quantized.
        programme: the integer programme; None while the first draft holds.
        make_programme: measures what the integer programme takes.
        chosen: the draft that was chosen.
        scale: measured noise by predicted noise of each output, [outputs], at the last draft.
        stricter: factor on the noise limits, for choices that fail though they are predicted to hold.
        raised: units that were made float after a gate had failed on the tuned file.
    """

    goals: Goals
    drafts: Drafts
    measured: list[MeasuredDraft]
    make_programme: Callable[[], Programme]
    chosen: MeasuredDraft
    scale: Noise
    programme: Programme | None = None
    _uncorrected: Programme | None = None
    stricter: float = 1.0
    raised: frozenset[str] = frozenset()

    @property
    def floats(self) -> frozenset[str]:
        """All float units: the chosen ones, and those that were raised."""
        return self.chosen.floats | self.raised

    @property
    def reached(self) -> bool:
        """Whether the chosen draft keeps all goals."""
        return self.holds(self.chosen)

    def holds(self, draft: MeasuredDraft) -> bool:
        """Whether a draft keeps all goals."""
        return self.is_accurate(draft) and self.is_cheap(draft)

    def is_accurate(self, draft: MeasuredDraft) -> bool:
        """Whether it keeps those on its outputs."""
        goals = self.goals
        return (goals.snr_db is None or draft.snr_low_db >= goals.snr_db) and (
            goals.agreement is None or draft.agreement is None or draft.agreement >= goals.agreement
        )

    def is_cheap(self, draft: MeasuredDraft) -> bool:
        """Whether it keeps those on time and bytes."""
        ratio, goals = self.latency_ratio(draft), self.goals
        return (goals.latency_ratio is None or ratio is None or ratio <= goals.latency_ratio) and (
            goals.size_ratio is None or draft.size_ratio <= goals.size_ratio
        )

    def latency_ratio(self, draft: MeasuredDraft) -> float | None:
        """Measured or, where no runtime can be asked, predicted."""
        if draft.latency_ratio is not None or self.programme is None:
            return draft.latency_ratio
        return self.predicted_ratio(draft.floats)

    def predicted_ratio(self, floats: frozenset[str]) -> float:
        """Latency relative to the float network's, as the programme predicts it."""
        assert self.programme is not None
        return self.programme.ratio_of(floats)

    def predicted_noise(self, floats: frozenset[str]) -> Noise:
        """Of each output, [outputs], as the programme predicts it."""
        assert self.programme is not None
        return self.scale * self.programme.noise_of(floats)

    def limits(self, last: MeasuredDraft) -> Limits:
        """What the programme has to keep after this draft."""
        assert self.programme is not None
        noise: Noise | None = None
        if self.goals.snr_db is not None:
            noise = 10 ** (-(self.goals.snr_db + last.margin_db) / 10)
        if self.goals.agreement is not None and not self.is_accurate(last):
            half = _HALF * last.noise
            noise = half if noise is None else np.minimum(noise, half)
        if noise is not None:
            noise = self.stricter * noise / np.maximum(self.scale, np.finfo(float).tiny)
        time = math.inf
        if self.goals.latency_ratio is not None:
            time = _WITHIN * self.goals.latency_ratio * self.programme.costs.whole_float
        room = math.inf
        if self.goals.size_ratio is not None:
            room = max(0.0, (self.goals.size_ratio - self.measured[0].size_ratio) * self.drafts.float_bytes)
        return Limits(noise=noise, time=time, bytes_added=room)

    def set_programme(self) -> None:
        """Measure what the programme takes, and take what the first draft says of its predictions."""
        self.programme = self._uncorrected = self.make_programme()
        first = self.measured.pop()
        if first.latency_ratio is not None:
            self.programme = self._uncorrected = self.programme.with_whole(first.latency_ratio)
        self.learn(first)

    def learn(self, draft: MeasuredDraft) -> None:
        """Take what a draft says of the predictions."""
        assert self.programme is not None
        self.measured.append(draft)
        predicted = self.programme.noise_of(draft.floats)
        known = (predicted > 0) & (draft.noise > 0)
        self.scale = np.where(known, draft.noise / np.where(known, predicted, 1.0), self.scale)
        timed = {each.floats: each.latency_ratio for each in self.measured if each.latency_ratio is not None}
        assert self._uncorrected is not None
        self.programme = self._uncorrected.with_conversions(timed)

    def raise_more(self, factor: float) -> frozenset[str]:
        """Make further units float, one at a time, until the predicted noise of the noisiest output falls by `factor`.

        Each time it is the one that lowers it most by its time. Where nothing else can be told, it is one unit.

        Returns:
            All float units.
        """
        if self.programme is None:
            self.set_programme()
        assert self.programme is not None
        floats = self.floats
        wanted = factor * float(self.predicted_noise(floats).max(initial=0.0))
        while floats != self.programme.everything and float(self.predicted_noise(floats).max(initial=0.0)) > wanted:
            floats |= {self._to_raise(floats)}
        self.raised = floats - self.chosen.floats
        return floats

    def _to_raise(self, floats: frozenset[str]) -> str:
        """The quantized unit whose error is largest by the time that it takes to be rid of it."""
        programme = self.programme
        assert programme is not None
        noisiest, own = int(self.predicted_noise(floats).argmax()), programme.noise_by_unit(floats)
        before = programme.time_of(floats)
        least = _LEAST_TIME * before

        def by_time(name: str) -> float:
            took = max(least, programme.time_of(floats | {name}) - before)
            return float(own[name][noisiest]) / took

        return max(own, key=by_time)

    def in_the_way(self) -> tuple[str, ...]:
        """The two quantized units of the largest error that is left, relative to what each output may have."""
        if self.programme is None or self.reached:
            return ()
        own = self.programme.noise_by_unit(self.chosen.floats)
        ordered = sorted(own, key=lambda name: float((self.scale * own[name]).max()), reverse=True)
        return tuple(ordered[:2])


def choose_precision(job: PrecisionJob, goals: Goals, images: Tensor, on_step: Phase) -> Choice:
    """Measure and choose.

    Args:
        job: the network and its recipe.
        goals: what is to be reached.
        images: [N, C, H, W] in the network's input range.
        on_step: called after each measured tensor and each draft.
    """
    drafts = Drafts(job, images)
    simulator = drafts.simulator(())
    draft = drafts.written(simulator)
    first = drafts.measure(frozenset(), simulator, draft.file)
    choice = Choice(
        goals=goals,
        drafts=drafts,
        measured=[first],
        make_programme=lambda: _programme(job, drafts, simulator, draft, on_step),
        chosen=first,
        scale=np.ones(len(first.noise)),
    )
    if not choice.holds(first):
        choice.set_programme()
        _search(choice, first)
    return choice


def _programme(job: PrecisionJob, drafts: Drafts, simulator: Simulator, draft: Draft, on_step: Phase) -> Programme:
    units = units_of(job.model.folded.graph, simulator.plan)
    noise = noise_alone(
        simulator, drafts.measured_on, units.points, on_point=lambda done, total: on_step(done, total, {})
    )
    costs = tabulated_costs(units)
    if drafts.profiled:
        costs = measured_costs(job.model, draft, units, drafts.timing_images)
    return Programme(units=units, noise=noise, costs=costs)


def _search(choice: Choice, last: MeasuredDraft) -> None:
    """Rounds of programme and draft; leaves the best draft as the chosen one."""
    for _ in range(_ROUNDS):
        floats, within_reach = _next(choice, choice.limits(last))
        known = next((each for each in choice.measured if each.floats == floats), None)
        if known is not None:
            if choice.holds(known) or not within_reach:
                break
            choice.stricter *= _STRICTER
            continue
        last = choice.drafts.make(floats)
        choice.learn(last)
        spare = choice.goals.snr_db is not None and last.snr_low_db > choice.goals.snr_db + _CLOSE_DB
        if choice.holds(last) and not spare:
            break
    choice.chosen = _best(choice)


def _next(choice: Choice, limits: Limits) -> tuple[frozenset[str], bool]:
    """The programme's choice, and whether it predicts that the goals hold."""
    programme = choice.programme
    assert programme is not None
    floats = programme.fastest(Limits(noise=limits.noise, bytes_added=limits.bytes_added))
    if floats is not None and programme.time_of(floats) <= limits.time:
        return floats, True
    floats = programme.most_accurate(Limits(time=limits.time, bytes_added=limits.bytes_added))
    if floats is None:
        floats = programme.fastest(Limits(bytes_added=limits.bytes_added))
    return floats or frozenset(), False


def _best(choice: Choice) -> MeasuredDraft:
    """The fastest draft that holds; else the most accurate that is cheap enough, or the most accurate of all."""
    assert choice.programme is not None
    holding = [draft for draft in choice.measured if choice.holds(draft)]
    if holding:
        return min(holding, key=lambda draft: choice.predicted_ratio(draft.floats))
    if choice.goals.latency_ratio is None and choice.goals.size_ratio is None:
        return choice.drafts.make(choice.programme.everything)
    cheap = [draft for draft in choice.measured if choice.is_cheap(draft)]
    if not cheap:
        return min(choice.measured, key=lambda draft: choice.predicted_ratio(draft.floats))
    return max(cheap, key=lambda draft: draft.snr_db)
