"""A choice of precision under way: drafts that were measured, what the integer programme predicts, what is chosen."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gdfq_export.jobs.precision.measured_draft import MeasuredDraft
from gdfq_export.planning.precision.costs import Limits, Noise
from gdfq_export.planning.precision.goals import Goals
from gdfq_export.planning.precision.programme import Programme

_HALF = 0.5  # of the noise, where only the share of equal classes is a goal
_LEAST_TIME = 1e-3  # of the whole, below which times of choices do not differ
_WITHIN = 0.98  # of a limit on latency, which varies from run to run
_LEAST_NOISE = 1e-3  # of that with everything quantized, from which on a choice is made more noisy


class MakesDrafts(Protocol):
    """What a choice asks of drafts; `Drafts` makes and measures them."""

    @property
    def held_out(self) -> int:
        """Number of held-out images."""
        ...

    @property
    def float_bytes(self) -> int:
        """Of the float network's file."""
        ...

    def make(self, floats: frozenset[str]) -> MeasuredDraft:
        """A draft with these units float, measured."""
        ...


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
    drafts: MakesDrafts
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

    @property
    def asks_for_accuracy(self) -> bool:
        """Whether a goal is set on outputs."""
        return self.goals.snr_db is not None or self.goals.agreement is not None

    def fastest_that_holds(self) -> MeasuredDraft | None:
        """Of the measured drafts that keep all goals, the one of the least predicted time."""
        holding = [draft for draft in self.measured if self.holds(draft)]
        return min(holding, key=lambda draft: self.predicted_ratio(draft.floats), default=None)

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

    def noise_at_goal(self, draft: MeasuredDraft) -> Noise:
        """The predicted noise of each output, [outputs], at which the goal is just kept, by what this draft has.

        Without a goal in dB it is the predicted noise of the draft itself.
        """
        assert self.programme is not None
        predicted = self.programme.noise_of(draft.floats)
        if self.goals.snr_db is None:
            return np.maximum(predicted, _LEAST_NOISE * self.programme.noise_of(frozenset()))
        known = (predicted > 0) & (draft.noise > 0)
        scale = np.where(known, draft.noise / np.where(known, predicted, 1.0), self.scale)
        wanted = 10 ** (-(self.goals.snr_db + draft.margin_db) / 10)
        return np.asarray(wanted / np.maximum(scale, np.finfo(float).tiny))

    def better_than(self, other: Choice) -> bool:
        """Whether its chosen draft is to be preferred: goals first, then time where they are kept, else accuracy."""
        return self._standing > other._standing

    @property
    def _standing(self) -> tuple[bool, bool, float]:
        ratio = self.latency_ratio(self.chosen)
        return (
            self.reached,
            self.is_cheap(self.chosen),
            self.chosen.snr_db if not self.reached else -(math.inf if ratio is None else ratio),
        )

    def make(self, floats: frozenset[str]) -> MeasuredDraft:
        """Make a draft with these units float, and take what it says of the predictions."""
        draft = self.drafts.make(floats)
        self.learn(draft)
        return draft

    def set_programme(self) -> None:
        """Measure what the programme takes, and take what drafts of everything say of its predictions."""
        programme, first = self.make_programme(), self.measured.pop()
        everything = self.drafts.make(programme.everything)
        if first.latency_ratio is not None and everything.latency_ratio is not None:
            programme = programme.with_ends(first.latency_ratio, everything.latency_ratio)
        self.programme = self._uncorrected = programme
        self.learn(first)
        self.learn(everything)

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
