"""The best answer within the limits, compared with all answers there are."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdfq_export.planning.multiple_choice import Option, Question, choose

Total = tuple[float, float, float]
errors = st.floats(0, 10)
costs = st.tuples(st.integers(0, 30), st.integers(0, 30))


def questions_of(inner: st.SearchStrategy[Question] | None = None) -> st.SearchStrategy[Question]:
    then = st.just(()) if inner is None else st.lists(inner, max_size=2).map(tuple)
    return st.lists(st.tuples(errors, costs, then), min_size=1, max_size=3).map(
        lambda rows: tuple(Option(label, error, cost, then) for label, (error, cost, then) in enumerate(rows))
    )


def total(*parts: Total) -> Total:
    error, first, second = zip(*parts, strict=True)
    return math.fsum(error), sum(first), sum(second)


def totals(question: Question) -> Iterator[Total]:
    """Error and costs of every answer."""
    for option in question:
        for inner in itertools.product(*map(totals, option.then)):
            yield total((option.error, *option.costs), *inner)


def total_of(questions: list[Question], labels: list[object]) -> Total:
    """Error and costs of one answer, by its labels."""
    left, parts = list(labels), []

    def answer(question: Question) -> None:
        option = next(each for each in question if each.label == left[0])
        left.pop(0)
        parts.append((option.error, *option.costs))
        for inner in option.then:
            answer(inner)

    for question in questions:
        answer(question)
    assert not left
    return total(*parts)


@given(
    questions=st.lists(questions_of(questions_of()), min_size=1, max_size=3),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    limited=st.tuples(st.booleans(), st.booleans()),
)
def test_no_answer_within_the_limits_has_less_error(
    questions: list[Question], shares: tuple[float, float], limited: tuple[bool, bool]
) -> None:
    answers = [total(*each) for each in itertools.product(*map(totals, questions))]
    cheapest = [min(each[index] for each in answers) for index in (1, 2)]
    highest = [max(each[index] for each in answers) for index in (1, 2)]
    ends = zip(cheapest, highest, shares, limited, strict=True)
    first, second = (low + share * (high - low) if limit else math.inf for low, high, share, limit in ends)
    within = [error for error, *cost in answers if cost[0] <= first and cost[1] <= second]
    try:
        error, *cost = total_of(questions, list(choose(questions, (first, second))))
    except ValueError:
        return  # what is cheapest together exceeds a limit
    assert cost[0] <= first and cost[1] <= second
    assert error == pytest.approx(min(within), rel=1e-9, abs=1e-9)


def test_equal_layers_are_no_harder() -> None:
    layer = (Option(4, 1.0, (0, 16)), Option(8, 0.0, (7, 32)))
    assert sorted(map(str, choose([layer] * 80, (7 * 40, math.inf)))) == ["4"] * 40 + ["8"] * 40


def test_limits_that_nothing_keeps_are_refused() -> None:
    with pytest.raises(ValueError, match="exceed a limit"):
        choose([(Option("only", 0.0, (2, 0)),)], (1, math.inf))
