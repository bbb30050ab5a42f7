from __future__ import annotations

import dataclasses

from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.views.html.sections.layers import layer_rows
from tests.report.reports import make_report


def test_a_layer_is_shown_with_its_weights_and_what_executes_it() -> None:
    report = make_report(labelled=True)
    codes = next(each for each in report.weights if each.op_type == "Conv")
    layer = dataclasses.replace(report.layers.layers[1], node=codes.node, op_type="Conv", tensor="conv_out")
    compared = dataclasses.replace(report.layers, layers=(report.layers.layers[0], layer))
    image, conv, *_ = layer_rows(dataclasses.replace(report, layers=compared))
    assert (conv.title, conv.executed.shape, conv.executed.tag) == (f"Conv {codes.node}", "integer", "integer")
    assert "QLinearConv" in conv.executed.words
    assert conv.activations is not None and conv.weights is not None
    assert {"bits", "scale", "values out of range"} <= dict(conv.activation_facts).keys()
    assert {"weights", "integers", "scales"} <= dict(conv.weight_facts).keys()
    assert (image.executed.tag, image.weights) == ("input", None)


def test_every_layer_has_its_place_and_a_sentence() -> None:
    rows = layer_rows(make_report(labelled=True))
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))
    assert all(row.why for row in rows)


def test_weights_are_shown_where_layers_could_not_be_compared() -> None:
    report = make_report(labelled=True)
    rows = layer_rows(dataclasses.replace(report, layers=NotMeasured(reason="because")))
    assert [row.tensor for row in rows] == [codes.tensor for codes in report.weights]
    assert all(row.activations is None and row.weights is not None and row.snr_db is None for row in rows)


def test_rescaled_channels_are_not_compared_with_the_quantization_range() -> None:
    report = make_report(labelled=True)
    scaled = [
        dataclasses.replace(layer, channels_rescaled=True, out_of_range_fraction=None)
        for layer in report.layers.layers[:2]
    ]
    rows = layer_rows(dataclasses.replace(report, layers=dataclasses.replace(report.layers, layers=tuple(scaled))))
    assert rows[1].activations.reach is None
    assert "not comparable" in dict(rows[1].activation_facts)["values out of range"]


def test_the_quantization_range_is_on_the_axis_beside_the_values() -> None:
    for row in layer_rows(make_report(labelled=True)):
        if row.activations is not None and row.activations.reach is not None:
            low, high = row.activations.reach
            assert 0 <= low < high <= 100
