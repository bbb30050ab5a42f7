from __future__ import annotations

import dataclasses

import pytest

from gdfq_export.metrics.layer_error import LayerError
from gdfq_export.views.html.sections.network import explain_layer, network_view
from tests.report.reports import bare_report, make_report


def layer(**changes) -> LayerError:
    first = make_report(labelled=True).layers.layers[1]
    plain = {"snr_db": 20.0, "inputs_snr_db": 30.0, "added": 0.009, "cause": "", "beyond": 0.0, "low": 0.0, "high": 1.0}
    return dataclasses.replace(first, **{**plain, **changes})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cause": "its scale is too large"}, "Cause: its scale is too large."),
        ({"snr_db": 200.0}, "to the last digit"),
        ({"added": 0.001}, "most of its error comes in with its inputs"),
        ({"beyond": 0.001}, "0.10\u00a0% of its values lie outside"),
        ({"low": None, "high": None}, "float in the file"),
        ({"scaled": True, "beyond": None}, "brought to the float network's scales"),
        ({}, "this is what rounding costs"),
    ],
    ids=["cause", "exact", "inherited", "saturated", "float", "scaled", "rounding"],
)
def test_a_layer_is_explained_by_what_was_measured(changes: dict, words: str) -> None:
    assert words in explain_layer(layer(**changes))


def view_of(*layers: LayerError, worst: str | None = None):
    report = make_report(labelled=True)
    return network_view(
        dataclasses.replace(report, layers=dataclasses.replace(report.layers, layers=layers, worst=worst))
    )


def test_the_worst_layer_is_marked_and_explained() -> None:
    view = view_of(layer(), layer(tensor="bad", snr_db=3.0, added=0.5, cause="it is cut"), worst="bad")
    assert (view.worst.number, view.worst_why.endswith("Cause: it is cut.")) == (2, True)
    assert [column.worst for column in view.columns] == [False, True]
    assert view.columns[1].snr > view.columns[0].snr  # further down
    assert view.columns[1].added < view.columns[0].added  # a higher bar


def test_no_layer_is_blamed_where_none_stands_out() -> None:
    view = view_of(layer(), layer())
    assert (view.worst, view.worst_title, view.worst_why) == (None, "", "")


def test_values_are_seen_against_the_range_of_the_codes() -> None:
    view = view_of(
        layer(seen_low=0.0, seen_high=1.0),
        layer(seen_low=-0.25, seen_high=9.0, beyond=0.1),
        layer(low=None, high=None),
        layer(scaled=True, beyond=None),
    )
    inside, beyond, floating, scaled = view.columns
    assert (inside.range_top, inside.range_bottom) == (view.ranges.down(100), view.ranges.down(0))
    assert (inside.beyond, inside.cut, beyond.beyond, beyond.cut) == (False, False, True, True)
    assert beyond.range_top == 0 and beyond.range_bottom > inside.range_bottom
    assert floating.range_top is scaled.range_top is None
    assert view.scaled


def test_columns_fill_the_width_side_by_side() -> None:
    columns = view_of(*[layer() for _ in range(7)]).columns
    assert columns[0].left == pytest.approx(0, abs=0.05)
    assert columns[-1].left + columns[-1].width == pytest.approx(100, abs=0.05)


def test_layers_that_were_not_compared_give_no_view() -> None:
    assert network_view(bare_report()) is None
