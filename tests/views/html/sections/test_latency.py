from __future__ import annotations

import dataclasses

import pytest

from gdfq_export.metrics.latency import Latency, RatioInterval, Timings
from gdfq_export.views.html.sections.latency import latency_view, noise
from tests.report.reports import bare_report, make_report


def timings(p50: float, *, relative_iqr: float = 0.01, p99: float | None = None) -> Timings:
    quantiles = tuple(p50 * (0.9 + index / 100) for index in range(21))
    return Timings(
        runs=100,
        p50_ms=p50,
        p90_ms=p50 * 1.08,
        p99_ms=p99 or p50 * 1.1,
        quantiles_ms=quantiles,
        relative_iqr=relative_iqr,
    )


def latency(first: Timings, second: Timings) -> Latency:
    ratio = RatioInterval(value=2.0, low=1.9, high=2.1, rounds=20)
    return Latency(source="noise", batch=4, threads=1, float_network=first, quantized=second, speedup=ratio)


def view_of(measured: Latency):
    return latency_view(dataclasses.replace(make_report(labelled=True), latency=measured))


def test_the_faster_network_is_drawn_to_the_left_and_every_mark_is_named() -> None:
    first, second = view_of(latency(timings(2.0), timings(1.0))).curves
    assert first.marks[0].x > second.marks[0].x
    assert [mark.text for mark in second.marks] == [
        "quantized p50: 1.00\u00a0ms",
        "quantized p90: 1.08\u00a0ms",
        "quantized p99: 1.10\u00a0ms",
    ]


def test_the_table_has_throughput_of_the_batch() -> None:
    rows = {name: values for name, *values in view_of(latency(timings(2.0), timings(1.0))).rows}
    assert rows["throughput at p50"] == ["2,000\u00a0images/s", "4,000\u00a0images/s"]
    assert rows["p99"] == ["2.20\u00a0ms", "1.10\u00a0ms"]


@pytest.mark.parametrize(
    ("drift", "words"),
    [(0.01, "a quiet machine"), (0.05, "some noise"), (0.1, "a noisy machine"), (0.3, "a very noisy machine")],
)
def test_drift_in_words_is_that_of_the_worse_network(drift: float, words: str) -> None:
    assert words in noise(latency(timings(2.0, relative_iqr=drift), timings(1.0)))


def test_a_tail_is_told_of_only_where_both_have_it() -> None:
    assert "interrupted" in noise(latency(timings(2.0, p99=10.0), timings(1.0, p99=9.0)))
    assert "interrupted" not in noise(latency(timings(2.0), timings(1.0, p99=9.0)))


def test_ends_that_lie_far_apart_get_a_logarithmic_axis() -> None:
    assert not view_of(latency(timings(2.0), timings(1.0))).scale.logarithmic
    assert view_of(latency(timings(20.0), timings(1.0))).scale.logarithmic


def test_times_without_quantiles_have_marks_and_no_course() -> None:
    bare = dataclasses.replace(timings(1.0), quantiles_ms=())
    view = view_of(latency(timings(2.0), bare))
    assert (view.curves[1].path, len(view.curves[1].marks)) == ("", 3)
    assert "slowest run" not in [name for name, *_ in view.rows]


def test_where_no_time_was_taken_there_is_no_view() -> None:
    assert latency_view(bare_report()) is None
