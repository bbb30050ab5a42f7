"""The integer programme of mixed precision: one option for each question, least total error, limits on two costs.

This is a multiple-choice knapsack, with further questions inside options. A column is 1 where its option is taken: of a
question one is, of a further question as many as of the option that it belongs to. scipy's `milp` (HiGHS) solves it;
limits hold to one part in a million.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

_LARGEST = 1e4  # coefficient of an error: HiGHS takes answers within 1e-6 as equal
_SECONDS = 60.0  # of HiGHS, after which the best answer so far is taken


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
        ValueError: no answer is within the limits.

    >>> large = (Option("4 bits", error=0.5), Option("8 bits", error=0.0, costs=(100, 0)))
    >>> small = (Option("4 bits", error=0.2), Option("8 bits", error=0.0, costs=(10, 0)))
    >>> choose([large, small], (50, float("inf")))
    ['4 bits', '8 bits']
    """
    if not questions:
        return []
    columns = _Columns()
    for question in questions:
        columns.ask(question, None)
    errors = np.array([option.error for option in columns.options])
    found = milp(
        errors * (_LARGEST / (errors.max() or 1.0)),
        integrality=np.ones(len(errors)),
        bounds=Bounds(0, 1),
        constraints=columns.constraint(limits),
        options={"mip_rel_gap": 0.0, "time_limit": _SECONDS},
    )
    if found.x is None:
        raise ValueError("the cheapest options exceed a limit")
    return [option.label for option, taken in zip(columns.options, found.x > 0.5, strict=True) if taken]


class _Columns:
    """Options in the order of the questions, and the rows that say which of them go together."""

    def __init__(self) -> None:
        self.options: list[Option] = []
        self._rows: list[tuple[dict[int, float], float]] = []  # coefficients by column, and their sum

    def ask(self, question: Question, belongs_to: int | None) -> None:
        """Add a question, and those inside its options; `belongs_to` is the column of the option that it is part of."""
        row: dict[int, float] = {} if belongs_to is None else {belongs_to: -1.0}
        self._rows.append((row, 1.0 if belongs_to is None else 0.0))
        for option in question:
            place = len(self.options)
            self.options.append(option)
            row[place] = 1.0
            for further in option.then:
                self.ask(further, place)

    def constraint(self, limits: tuple[float, float]) -> LinearConstraint:
        """One option of each question, and the limits that are finite."""
        rows, low, high = ([*part] for part in zip(*((row, total, total) for row, total in self._rows), strict=True))
        for place, limit in enumerate(limits):
            if np.isfinite(limit):
                most = max(abs(limit), 1.0)
                rows.append({column: option.costs[place] / most for column, option in enumerate(self.options)})
                low.append(-np.inf)
                high.append(limit / most)
        entries = [(row, column, value) for row, columns in enumerate(rows) for column, value in columns.items()]
        row_of, column_of, values = zip(*entries, strict=True)
        matrix = coo_array((values, (row_of, column_of)), shape=(len(rows), len(self.options)))
        return LinearConstraint(matrix.tocsr(), low, high)
