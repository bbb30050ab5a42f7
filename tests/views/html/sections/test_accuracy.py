from __future__ import annotations

import dataclasses

import numpy as np

from gdfq_export.tasks.classification.accuracy import measure_accuracy
from gdfq_export.views.html.sections.accuracy import accuracy_view
from tests.report.reports import make_report
from tests.views.html.gated import decided


def test_both_networks_are_drawn_with_their_intervals() -> None:
    view = accuracy_view(make_report(labelled=True))
    assert [whisker.kind for whisker in view.scores[:2]] == ["float", "quantized"]
    assert all(whisker.low <= whisker.at <= whisker.high for whisker in (*view.scores, *view.drops))
    assert view.limit is None


def test_the_limit_of_the_gate_stands_on_the_chart_of_what_was_lost() -> None:
    view = accuracy_view(decided(max_top1_drop_pp=1.0))
    assert view.limit == view.drops_scale.at(1.0)


def test_the_table_counts_images_that_only_one_gets_right() -> None:
    labels = np.arange(10) % 6
    right, wrong = np.eye(6)[labels], np.eye(6)[(labels + 1) % 6]
    quantized = np.where(np.arange(10)[:, None] < 3, wrong, right)
    scored = measure_accuracy(right.astype(np.float32), quantized.astype(np.float32), labels, "a.npz")
    row = accuracy_view(dataclasses.replace(make_report(labelled=True), accuracy=scored)).rows[0]
    assert (row.only_float, row.only_quantized) == (3, 0)
    assert row.drop.startswith("+30.00\u00a0pp")


def test_a_score_that_means_nothing_is_a_row_with_its_reason() -> None:
    rows = accuracy_view(make_report(labelled=True)).rows
    assert rows[1].reason == "with 4 classes every answer is among the first five"


def test_without_labels_there_is_no_view() -> None:
    assert accuracy_view(make_report(labelled=False)) is None
