from __future__ import annotations

import dataclasses

import pytest

from gdfq_export.metrics.layer_error import LayerError
from gdfq_export.views.html.sections.network import explain_layer, network_view
from tests.report.reports import bare_report, make_report


def layer(**changes) -> LayerError:
    first = make_report(labelled=True).layers.layers[1]
    plain = {"snr_db": 20.0, "input_snr_db": 30.0, "added_noise_ratio": 0.009, "cause": ""}
    plain |= {"out_of_range_fraction": 0.0, "range_min": 0.0, "range_max": 1.0}
    return dataclasses.replace(first, **{**plain, **changes})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cause": "its scale is too large"}, "Cause: its scale is too large."),
        ({"snr_db": 200.0}, "Equal to the float network's tensor"),
        ({"added_noise_ratio": 0.001}, "most of its error comes from its inputs"),
        ({"out_of_range_fraction": 0.001}, "0.10\u00a0% of its values lie outside"),
        ({"range_min": None, "range_max": None}, "Float in the file"),
        ({"channels_rescaled": True, "out_of_range_fraction": None}, "after rescaling channels"),
        ({}, "this is the rounding error"),
    ],
    ids=["cause", "exact", "inherited", "saturated", "float", "scaled", "rounding"],
)
def test_a_layer_is_explained_by_what_was_measured(changes: dict, words: str) -> None:
    assert words in explain_layer(layer(**changes))


def view_of(*layers: LayerError, worst: str | None = None):
    report = make_report(labelled=True)
    return network_view(
        dataclasses.replace(report, layers=dataclasses.replace(report.layers, layers=layers, worst_tensor=worst))
    )


def test_the_worst_layer_is_marked_and_explained() -> None:
    view = view_of(layer(), layer(tensor="bad", snr_db=3.0, added_noise_ratio=0.5, cause="it is cut"), worst="bad")
    assert (view.worst.number, view.worst_why.endswith("Cause: it is cut.")) == (2, True)
    assert [column.worst for column in view.columns] == [False, True]
    assert view.columns[1].snr > view.columns[0].snr  # further down
    assert view.columns[1].added < view.columns[0].added  # a higher bar


def test_no_layer_is_blamed_where_none_stands_out() -> None:
    view = view_of(layer(), layer())
    assert (view.worst, view.worst_title, view.worst_why) == (None, "", "")


def test_float_ranges_are_shown_against_the_quantization_range() -> None:
    view = view_of(
        layer(float_min=0.0, float_max=1.0),
        layer(float_min=-0.25, float_max=9.0, out_of_range_fraction=0.1),
        layer(range_min=None, range_max=None),
        layer(channels_rescaled=True, out_of_range_fraction=None),
    )
    inside, beyond, floating, scaled = view.columns
    assert (inside.range_top, inside.range_bottom) == (view.ranges.down(100), view.ranges.down(0))
    assert (inside.out_of_range, inside.cut, beyond.out_of_range, beyond.cut) == (False, False, True, True)
    assert beyond.range_top == 0 and beyond.range_bottom > inside.range_bottom
    assert floating.range_top is scaled.range_top is None
    assert view.scaled


def test_columns_fill_the_width_side_by_side() -> None:
    columns = view_of(*[layer() for _ in range(7)]).columns
    assert columns[0].left == pytest.approx(0, abs=0.05)
    assert columns[-1].left + columns[-1].width == pytest.approx(100, abs=0.05)


def test_layers_that_were_not_compared_give_no_view() -> None:
    assert network_view(bare_report()) is None
