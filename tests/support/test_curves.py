from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gdfq_export.support.curves import Curves, Points, RecordedProgress
from gdfq_export.support.progress import SilentProgress


@given(st.integers(1, 5000))
def test_a_curve_is_an_even_sample_that_begins_with_the_first_step(steps: int) -> None:
    curve = Points()
    for step in range(1, steps + 1):
        curve.add(step, steps, step / 2)
    kept = [step for step, _ in curve.points]
    assert curve.total == steps
    assert kept[0] == 1 and len(kept) <= Points.MOST
    distance = kept[1] - kept[0] if len(kept) > 1 else 1
    assert kept == list(range(1, steps + 1, distance))
    assert all(value == step / 2 for step, value in curve.points)
    assert steps <= Points.MOST or len(kept) >= Points.MOST // 2


def test_figures_are_kept_by_phase_and_name() -> None:
    shown, curves = SilentProgress(), Curves()
    progress = RecordedProgress(shown, curves)
    with progress.phase("train") as report:
        report(1, 2, {"loss": 3.0, "accuracy": 0.1})
        report(2, 2, {"loss": 2.0})
    with progress.phase("look") as report:
        report(1, 1)
    assert {key: curve.points for key, curve in curves.by_figure.items()} == {
        ("train", "loss"): [(1, 3.0), (2, 2.0)],
        ("train", "accuracy"): [(1, 0.1)],
    }
    with shown.phase("train") as report:
        report(1, 1, {"loss": 1.0})
    assert len(curves.by_figure["train", "loss"].points) == 2, "only what was recorded"
    assert progress.seconds is shown.seconds and list(shown.seconds) == ["train", "look"]
