from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdfq_export.support.progress import Course, SilentProgress


@given(st.integers(1, 5000))
def test_a_course_is_an_even_sample_that_begins_with_the_first_step(steps: int) -> None:
    course = Course()
    for step in range(1, steps + 1):
        course.add(step, steps, step / 2)
    kept = [step for step, _ in course.points]
    assert course.total == steps
    assert kept[0] == 1 and len(kept) <= Course.MOST
    distance = kept[1] - kept[0] if len(kept) > 1 else 1
    assert kept == list(range(1, steps + 1, distance))
    assert all(value == step / 2 for step, value in course.points)
    assert steps <= Course.MOST or len(kept) >= Course.MOST // 2


def test_figures_are_kept_by_phase_and_name() -> None:
    progress = SilentProgress()
    with progress.phase("train") as report:
        report(1, 2, {"loss": 3.0, "accuracy": 0.1})
        report(2, 2, {"loss": 2.0})
    with progress.phase("look") as report:
        report(1, 1)
    assert {key: course.points for key, course in progress.courses.items()} == {
        ("train", "loss"): [(1, 3.0), (2, 2.0)],
        ("train", "accuracy"): [(1, 0.1)],
    }
    assert list(progress.seconds) == ["train", "look"] and min(progress.seconds.values()) >= 0


def test_a_phase_that_fails_has_its_seconds_counted() -> None:
    progress = SilentProgress()
    with pytest.raises(ValueError), progress.phase("train"):
        raise ValueError
    assert list(progress.seconds) == ["train"]
