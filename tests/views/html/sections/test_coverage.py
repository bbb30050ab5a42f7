from __future__ import annotations

import dataclasses

from gdfq_export.metrics.coverage import measure_coverage
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.views.html.sections.coverage import coverage_view, executed_as
from tests.jobs.verify.quantized_classifier import classifier
from tests.metrics.test_coverage import executed
from tests.report.reports import bare_report, make_report


def partly_float():
    return measure_coverage(executed(classifier().quantized(integer_gemm=False)))


def test_the_strip_holds_every_node_in_order_and_says_its_kind_in_letters() -> None:
    report = make_report(labelled=True)
    view = coverage_view(report)
    assert [chip.op_type for chip in view.chips] == [node.op_type for node in report.coverage.nodes]
    assert {chip.mark for chip in view.chips if chip.op_type.startswith("QLinearConv")} == {"INT"}
    assert sum(key.nodes for key in view.keys) == len(view.chips)
    assert view.summary == "2 of 2\u00a0convolutions and matrix products run on integers, 0 in float"


def test_a_float_layer_has_another_shape_and_mark() -> None:
    view = coverage_view(dataclasses.replace(make_report(labelled=True), coverage=partly_float()))
    assert [(chip.shape, chip.mark) for chip in view.chips if chip.op_type == "Gemm"] == [("float", "FLOAT")]
    assert [kind for kind, _ in view.leftovers] == ["quantize", "dequantize"]


def test_a_layer_is_found_in_the_executed_graph_by_node_or_tensor() -> None:
    coverage = partly_float()
    found = executed_as(coverage, "Gemm_logits", "logits")
    assert (found.shape, found.tag) == ("float", "float")
    assert found.words == "ONNX Runtime executes it in float, as Gemm."
    assert executed_as(coverage, "nowhere", "nothing").shape == "unknown"
    assert executed_as(coverage, "", "image").tag == "input"


def test_what_was_not_read_is_said_to_be_unknown() -> None:
    assert coverage_view(bare_report()) is None
    assert executed_as(NotMeasured(reason="because"), "a", "b").shape == "unknown"
