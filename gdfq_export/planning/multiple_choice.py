"""The integer programme of mixed precision: one option for each question, least total error, limits on two costs.

This is a multiple-choice knapsack. Partial answers are joined question by question. One is
dropped where another is no worse in error and in both costs (Nemhauser and Ullmann, Management Science 15, 1969), or
where the Lagrangian bound shows that it leads to no better answer than one that is already known. The answer is exact,
unless more than 20,000 partial answers are left, as with two tight limits on more than a hundred layers: then only the
most promising are followed. Of 150 random layers the answer was within 0.6 % of the bound.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_right
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_POINTS = 25  # multipliers of each cost that are tried in a round
_ROUNDS = 4
_DECADES, _NARROWER = 6.0, 6.0  # around the ratio of all errors to all costs; divided by so much in each round
_SEARCHES = (
    3_000,
    20_000,
)  # partial answers that are kept; the first search finds a good answer for the second's bound
_ROUNDING = 1e-9

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Option:
    """One way to answer a question.

    Attributes:
        label: returned where it is taken.
        error: added to the total.
        costs: what it takes of each limit, not negative.
        then: further questions, to be answered where it is taken.
    """

    label: Hashable
    error: float
    costs: tuple[float, float] = (0.0, 0.0)
    then: tuple[Question, ...] = ()


Question = tuple[Option, ...]
"""Exactly one option is taken."""


def choose(questions: Sequence[Question], limits: tuple[float, float]) -> list[Hashable]:
    """Labels of the options of least total error within both limits, in the order of the questions.

    Args:
        questions: with further questions inside options, to any depth.
        limits: on the sum of each cost; infinity sets none.

    Raises:
        ValueError: the cheapest options exceed a limit.

    >>> large = (Option("4 bits", error=0.5), Option("8 bits", error=0.0, costs=(100, 0)))
    >>> small = (Option("4 bits", error=0.2), Option("8 bits", error=0.0, costs=(10, 0)))
    >>> choose([large, small], (50, float("inf")))
    ['4 bits', '8 bits']
    """
    everything: Question = (Option("", 0.0, then=tuple(questions)),)
    totals = _total(everything)
    totals[totals == 0] = 1.0
    cheap = np.array([0.0, *(np.isfinite(limits) / totals[1:])])
    found = _answers(everything, _Bound(np.asarray(limits, np.float64), cheap, 0.0, np.inf), 1)
    if not len(found.values):
        raise ValueError("the cheapest options exceed a limit")
    answer, known = found.labels[0], float(found.values[0, 0])
    bound = _bound_of(everything, np.asarray(limits, np.float64), totals)
    for most in _SEARCHES:
        found = _answers(everything, dataclasses.replace(bound, known=min(known, bound.known)), most)
        best = int(found.values[:, 0].argmin()) if len(found.values) else None
        if best is not None and found.values[best, 0] <= known:
            answer, known = found.labels[best], float(found.values[best, 0])
    return list(_flat(answer))[1:]


@dataclass(frozen=True, slots=True)
class _Bound:
    """Lagrangian relaxation: `weights` [3] of error and costs, whose least sum shows what no answer can fall below.

    `least` is that bound on the total error, `known` the error of an answer within `limits`.
    """

    limits: Numbers
    weights: Numbers
    least: float
    known: float

    @property
    def gap(self) -> float:
        finite = np.where(np.isfinite(self.limits), self.limits, 0.0)
        return self.known - self.least + _ROUNDING * (abs(self.known) + float(self.weights[1:] @ finite))


@dataclass(frozen=True, slots=True)
class _Partial:
    """Answers to some of the questions: error and costs [S, 3], and labels in nested pairs."""

    values: Numbers
    labels: list[tuple[Any, ...]]


def _bound_of(question: Question, limits: Numbers, totals: Numbers) -> _Bound:
    """The multipliers of the best bound on a grid that is narrowed in rounds."""
    limited = np.isfinite(limits)
    known, least, finite = np.inf, -np.inf, np.where(limited, limits, 0.0)
    weights, centre, reach = np.ones(3), np.log10(totals[0] / totals[1:]), _DECADES
    for _ in range(_ROUNDS):
        steps = np.linspace(-reach, reach, _POINTS)
        axes = [[0.0, *10.0 ** (middle + steps)] if use else [0.0] for middle, use in zip(centre, limited, strict=True)]
        grid = np.array([(1.0, first, second) for first in axes[0] for second in axes[1]])
        values = _relaxed(question, grid)
        bounds = (values * grid).sum(axis=1) - grid[:, 1:] @ finite
        known = min(known, values[(values[:, 1:] <= limits).all(axis=1), 0].min(initial=np.inf))
        if bounds.max() > least:
            least, weights = float(bounds.max()), grid[bounds.argmax()]
        centre = np.log10(np.maximum(weights[1:], 10.0 ** (centre - reach)))
        reach /= _NARROWER
    return _Bound(limits, weights, least, known)


def _total(question: Question) -> Numbers:
    """Error and costs of all options together, [3]."""
    total = np.zeros(3)
    for option in question:
        total += np.array([option.error, *option.costs]) + sum(map(_total, option.then))
    return total


def _relaxed(question: Question, weights: Numbers) -> Numbers:
    """Error and costs [G, 3] of the options of least weighted sum, for each row of the weights [G, 3]."""
    rows = []
    for option in question:
        own = np.broadcast_to(np.array([option.error, *option.costs]), weights.shape)
        rows.append(sum((_relaxed(each, weights) for each in option.then), own))
    values = np.stack(rows)
    best = (values * weights).sum(axis=2).argmin(axis=0)
    return np.asarray(values[best, np.arange(len(weights))])


def _answers(question: Question, bound: _Bound, most: int) -> _Partial:
    """Answers to a question and all inside of it, without those that cannot be part of a better whole."""
    parts = []
    for option in question:
        costs = np.where(np.isfinite(bound.limits), option.costs, 0.0)
        part = _Partial(np.array([[option.error, *costs]]), [(option.label,)])
        for each in option.then:
            inner = _answers(each, bound, most)
            values = (part.values[:, None] + inner.values[None]).reshape(-1, 3)
            kept = _kept(values, bound, most)
            pairs = (divmod(index, len(inner.values)) for index in kept.tolist())
            part = _Partial(values[kept], [(part.labels[own], inner.labels[further]) for own, further in pairs])
        parts.append(part)
    values = np.concatenate([part.values for part in parts])
    labels = [label for part in parts for label in part.labels]
    kept = _kept(values, bound, most)
    return _Partial(values[kept], [labels[index] for index in kept])


def _kept(values: Numbers, bound: _Bound, most: int) -> NDArray[np.int64]:
    """Rows of the values [S, 3] that are within the limits, within the bound and not dominated; at most `most`."""
    weighted = values @ bound.weights
    within = (values[:, 1:] <= bound.limits).all(axis=1)
    rows = np.flatnonzero(within & (weighted <= weighted.min(initial=np.inf) + bound.gap))
    if len(rows) > most:
        rows = np.sort(rows[np.argsort(weighted[rows], kind="stable")[:most]])
    order = rows[np.lexsort((values[rows, 0], values[rows, 2], values[rows, 1]))]
    return np.array([order[index] for index in _not_dominated(values[order])], np.int64)


def _not_dominated(values: Numbers) -> Iterator[int]:
    """Rows of the values [S, 3], sorted by costs, that no earlier row equals or betters in error and second cost."""
    costs: list[float] = []
    errors: list[float] = []
    for index, (error, _, cost) in enumerate(values.tolist()):
        place = bisect_right(costs, cost)
        if place and errors[place - 1] <= error:
            continue
        first = place - 1 if place and costs[place - 1] == cost else place
        end = place
        while end < len(costs) and errors[end] >= error:
            end += 1
        costs[first:end], errors[first:end] = [cost], [error]
        yield index


def _flat(labels: tuple[Any, ...]) -> Iterator[Hashable]:
    """Labels of nested pairs, from left to right."""
    stack: list[tuple[Any, ...]] = [labels]
    while stack:
        top = stack.pop()
        if len(top) == 1:
            yield top[0]
        else:
            stack += [top[1], top[0]]
