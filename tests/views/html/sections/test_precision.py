"""SNR against latency, and why for each layer, where precision was chosen."""

from __future__ import annotations

import dataclasses

from gdfq_export.report.precision_choice import FrontierPoint, LayerPrecision, PrecisionFacts
from gdfq_export.report.report import Report
from gdfq_export.views.details import detail_rows
from gdfq_export.views.html import render_page
from gdfq_export.views.html.sections.precision import precision_view
from tests.report.reports import make_report
from tests.views.html.page_parser import Page


def point(floats: int, snr_db: float, ratio: float | None, *, measured: bool, chosen: bool = False) -> FrontierPoint:
    return FrontierPoint(
        float_layers=floats, snr_db=snr_db, latency_ratio=ratio, size_ratio=0.3, measured=measured, chosen=chosen
    )


def chosen_report(**changed: object) -> Report:
    layer = LayerPrecision(
        layer="stem",
        op_type="Conv",
        precision="float",
        reason="40.0% of the error; float takes 0.1 ms more",
        noise=1e-3,
        integer_ms=0.1,
        float_ms=0.2,
        bytes_added=648,
    )
    facts = PrecisionFacts(
        goals="30 dB of every output",
        reached=True,
        images=32,
        profiled=True,
        layers=(layer, dataclasses.replace(layer, layer="head", precision="int8")),
        frontier=(
            point(0, 22.0, 0.4, measured=False),
            point(1, 31.0, 0.6, measured=False),
            point(2, 200.0, 1.0, measured=False),
            dataclasses.replace(point(1, 30.6, 0.62, measured=True, chosen=True), predicted_latency_ratio=0.6),
        ),
    )
    return dataclasses.replace(make_report(labelled=False), precision=dataclasses.replace(facts, **changed))


def test_drafts_are_marks_beside_the_predicted_line() -> None:
    view = precision_view(chosen_report())
    assert view is not None
    assert view.path.count("L") == 1  # the float network has no noise, and no place on the axis
    (mark,) = view.marks
    assert mark.chosen and "30.6 dB" in mark.hint and "0.620 x float's latency (predicted: 0.600)" in mark.hint
    assert [row[1] for row in view.rows] == ["22.0 dB", "31.0 dB", "no noise", "30.6 dB"]


def test_page_and_details_say_why_for_each_layer() -> None:
    report = chosen_report(in_the_way=("head", "stem"))
    text = Page(render_page(report)).by_id("layers").text
    assert "Precision by layer" in text and "40.0% of the error" in text and "head and stem" in text
    rows = {name: value for name, value, _ in detail_rows(report)}
    assert rows["layers kept float"] == "1" and rows["precision of head"] == "int8"


def test_a_choice_without_float_layers_has_one_point() -> None:
    only = (point(0, 33.0, None, measured=True, chosen=True),)
    assert "Precision by layer" in render_page(chosen_report(layers=(), frontier=only))
    assert "Precision by layer" not in render_page(make_report(labelled=False))
