"""A table of the bits of each layer, where they were mixed."""

from __future__ import annotations

import dataclasses

from gdfq_export.views.html import render_page
from gdfq_export.views.html.sections.mixed_bits import mixed_bits_rows
from tests.report.reports import MIXED_BITS, make_report
from tests.views.html.page_parser import Page


def test_a_row_for_each_layer_with_what_decided() -> None:
    report = dataclasses.replace(make_report(labelled=False), mixed_bits=MIXED_BITS)
    first, second = mixed_bits_rows(report)
    assert (first.layer, first.weights, first.activations) == ("a", "8", "4")
    assert (first.weights_error, first.activations_error, first.bytes_added) == ("0.500", "0.0120", "1,200")
    assert (second.activations, second.weights_error) == ("float", "not measured")
    text = Page(render_page(report)).by_id("layers").text
    assert "Bits by layer" in text and "1,200" in text


def test_no_table_where_bits_were_not_mixed() -> None:
    assert "Bits by layer" not in render_page(make_report(labelled=False))
