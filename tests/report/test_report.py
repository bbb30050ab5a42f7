from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from gdfq_export.errors import InputError, InternalError
from gdfq_export.gates import GATES
from gdfq_export.recipe import FineTune, Recipe, Tuning
from gdfq_export.report.gates import decide
from gdfq_export.report.json_form import SCHEMA_VERSION
from gdfq_export.report.report import BudgetFacts, KeptNode, MixedBitsFacts, Report
from gdfq_export.report.summary_table import summary_figures, summary_rows
from gdfq_export.support.finding import Finding
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.views.details import detail_rows
from tests.report.reports import MIXED_BITS, bare_report, cpu_figures, make_report
from tests.report.test_gates import PASSING, bad


def test_json_holds_every_section_with_its_sample(tmp_path: Path) -> None:
    report = make_report(labelled=True)
    report.save(tmp_path / "report.json")
    body = json.loads((tmp_path / "report.json").read_text())
    assert body["schema_version"] == SCHEMA_VERSION
    assert list(body)[1:-1] == [field.name for field in dataclasses.fields(Report)]
    assert (body["accuracy"]["images"], body["accuracy"]["source"]) == (20, "a.npz")
    assert body["accuracy"]["top1"]["quantized"]["count"] == 20
    assert (body["agreement"]["images"], body["agreement"]["source"]) == (20, "noise")
    assert body["parity"]["exact"] is True
    assert body["latency"]["quantized"]["p50_ms"] > 0
    assert body["calibration"]["provenance"] == {"steps": 5}
    assert [layer["tensor"] for layer in body["layers"]["layers"]] == ["image", "hidden", "flat", "logits"]
    assert body["weights"][0]["elements"] == 5 * 2 * 3 * 3
    assert body["reasons"] == {
        "accuracy.top5": "with 4 classes every answer is among the first five",
        "simulation": "every integer is compared",
        "resources": "gdfq-export verify measures load time and memory",
    }
    assert report.to_json() == report.to_json()


def test_what_was_not_measured_is_null_with_its_reason() -> None:
    body = json.loads(make_report(labelled=False).to_json())
    assert body["accuracy"] is None
    assert body["reasons"]["accuracy"].startswith("no labelled images were given; name them with --data, ")
    assert body["reasons"]["simulation"] == "every integer is compared"


def test_nan_never_reaches_a_report(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")
    report = dataclasses.replace(make_report(labelled=False), seconds_by_phase={"x": float("nan")})
    with pytest.raises(InternalError, match=r"seconds_by_phase\.x is nan"):
        report.save(path)
    assert path.read_text() == "old"


def test_a_missing_folder_is_a_plain_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        make_report(labelled=False).save(tmp_path / "none" / "report.json")


def test_rows_show_values_with_units_and_samples() -> None:
    report = make_report(labelled=True)
    rows = {what: (value, note) for what, value, note in [*summary_rows(report), *detail_rows(report)]}
    assert rows["top-1 accuracy, quantized"][0].startswith("100.00 % [")
    assert rows["top-1 accuracy, float"][1] == "20 images of a.npz"
    assert " pp [" in rows["top-1 drop"][0]
    assert rows["parity with the simulation"] == (
        "exact",
        "0 of 640 values differ; exact at graph optimisation extended, all; not at disabled (28 of 512 differ), "
        "basic (28 of 512 differ); 4 tensors, 20 images of noise",
    )
    assert rows["integer layers"] == ("2 of 2", "none in float; convolutions and matrix products in ONNX Runtime")
    assert rows["file size"] == ("0.250 x float", "100 bytes, float 400 bytes")
    assert "top-5 accuracy, float" not in rows


def test_each_cpu_has_a_row_with_what_it_was_compared_with() -> None:
    exact = cpu_figures("cortex-a53")
    wrong = dataclasses.replace(bad().parity, differing=9)
    parts = (exact, cpu_figures("haswell", wrong), cpu_figures("cortex-a76", NotMeasured(reason="no simulation")))
    report = dataclasses.replace(make_report(labelled=False), cpus=parts)
    rows = {what: (value, note) for what, value, note in summary_rows(report)}
    assert rows["parity on cortex-a53"] == (
        "exact",
        "0 of 640 values differ; agreement 100.00 % with float; 0 of 80 output values differ from this machine's; "
        "2 of 2 layers on integers; 20 images of noise, emulated: time not measured",
    )
    assert rows["parity on haswell"][0] == "not exact"
    assert rows["parity on haswell"][1].startswith("9 of 640 values differ, first in hidden; ")
    assert rows["parity on cortex-a76"][0] == "not measured"
    assert rows["parity on cortex-a76"][1].startswith("no parity: no simulation; agreement ")


def test_the_gate_on_parity_is_shown_where_it_was_missed() -> None:
    wrong = cpu_figures("haswell", dataclasses.replace(bad().parity, images=3))
    report = dataclasses.replace(make_report(labelled=False), cpus=(cpu_figures("cortex-a53"), wrong))
    gates = {figure.name: figure.gates for figure in summary_figures(report)}
    assert gates["parity on haswell"] == ("require-parity",)
    assert gates["parity on cortex-a53"] == gates["parity with the simulation"] == ()
    fine = dataclasses.replace(report, cpus=report.cpus[:1])
    assert {figure.name: figure.gates for figure in summary_figures(fine)}["parity on cortex-a53"]


def test_a_report_without_cpus_is_still_read(tmp_path: Path) -> None:
    body = json.loads(make_report(labelled=False).to_json())
    del body["cpus"]
    (tmp_path / "old.json").write_text(json.dumps(body))
    assert Report.load(tmp_path / "old.json").cpus == ()


def test_rows_say_what_a_budget_and_mixed_bits_came_to() -> None:
    report = make_report(labelled=False)
    tuned = Recipe(name="x", tuning=Tuning(finetune=FineTune(steps=90))).model_dump(mode="json")
    assert report.recipe is not None
    report = dataclasses.replace(
        report,
        recipe=dataclasses.replace(report.recipe, used=tuned),
        budget=BudgetFacts(seconds=3600, seconds_spent=41.2),
        mixed_bits=MixedBitsFacts(sensitivity={"a": 0.5, "b": 0.1}, raised=["b"], growth=0.048),
    )
    rows = {what: (value, note) for what, value, note in detail_rows(report)}
    value, note = rows["budget"]
    assert value == "41 of 3,600 s"
    assert note.startswith("1,024 images, 180 generator steps, 90 fine-tuning steps")
    assert rows["mixed bits"] == ("1 of 2 layers", "given more bits, weights +4.8 %: b")


def test_rows_say_which_layer_has_which_bits_and_why() -> None:
    report = dataclasses.replace(make_report(labelled=False), mixed_bits=MIXED_BITS)
    rows = {what: row for what, *row in detail_rows(report)}
    assert rows["mixed bits"] == ["1 of 2 layers", "given more bits, weights +10.0 %: a"]
    assert rows["bits of a"] == [
        "W8 A4",
        "error of the outputs with fewest bits of weights alone 0.5, of input alone 0.012; more for weights cost "
        "1,200 bytes; 75.0 % of all operations",
    ]
    assert rows["bits of b"] == [
        "W4 float input",
        "not measured; more for weights cost 0 bytes; 25.0 % of all operations",
    ]
    assert rows["bit operations"][0] == "0.400 x 8 bits"


def test_a_row_names_the_nodes_that_the_recipe_keeps() -> None:
    kept = [KeptNode(node=f"n{index}", op_type="Conv", reason="kept float by bits.keep_float") for index in range(9)]
    report = dataclasses.replace(make_report(labelled=False), kept=(kept[0],))
    assert next(row for row in detail_rows(report) if row[0] == "nodes by the recipe") == (
        "nodes by the recipe",
        "1 node",
        "kept float by bits.keep_float: Conv n0",
    )
    *_, note = next(row for row in detail_rows(dataclasses.replace(report, kept=tuple(kept))) if row[1] == "9 nodes")
    assert note.endswith("Conv n7, 1 more")


def test_one_row_says_how_many_nodes_break_a_rule() -> None:
    broken = [("bias", "a"), ("scale", "b"), ("bias", "c"), ("bias", "d")]
    findings = tuple(
        Finding(rule=rule, node=node, consequence="wrong numbers", message=f"Conv {node}: {rule}")
        for rule, node in broken
    )
    rows = [row for row in detail_rows(dataclasses.replace(make_report(labelled=False), findings=findings))]
    assert [row for row in rows if row[0].startswith("rule")] == [
        ("rule bias", "wrong numbers", "Conv a: bias; 2 more nodes"),
        ("rule scale", "wrong numbers", "Conv b: scale"),
    ]


def test_a_report_that_was_saved_is_loaded_the_same(tmp_path: Path) -> None:
    for number, report in enumerate((make_report(labelled=True), make_report(labelled=False), bare_report(), bad())):
        report = dataclasses.replace(report, gates=decide(report, PASSING))
        report.save(tmp_path / f"{number}.json")
        loaded = Report.load(str(tmp_path / f"{number}.json"))
        assert loaded.to_json() == report.to_json()
        assert str(loaded) == str(report) and loaded.passed == report.passed


def test_a_report_as_text_is_its_summary() -> None:
    report = make_report(labelled=True)
    lines = str(dataclasses.replace(report, gates=decide(report, {"max-size-ratio": 0.2}))).splitlines()
    assert [line[: line.index("  ")] for line in lines] == [
        "verdict",
        "top-1 accuracy",
        "top-1 agreement with float",
        "speed",
        "file size",
        "parity with the simulation",
        "integer layers",
    ]
    assert lines[0].split(maxsplit=2) == ["verdict", "FAILED", "1 of 1 gate failed: max-size-ratio failed"]
    assert lines[4].endswith("0.250 x float  100 bytes, float 400 bytes")


def test_a_summary_names_the_worst_layer_as_the_user_knows_it() -> None:
    report = bad()
    assert summary_rows(report)[-1] == ("largest error added by", "Conv Conv_conv", "a scale is off")
    assert not isinstance(report.weights, NotMeasured)
    weights = [dataclasses.replace(report.weights[0], node="Conv_conv", tensor="blocks.2.conv2.weight_q")]
    assert summary_rows(dataclasses.replace(report, weights=tuple(weights)))[-1][1] == "Conv blocks.2.conv2"


def test_a_summary_says_why_a_figure_is_missing() -> None:
    rows = summary_rows(bare_report())
    assert rows[0] == ("verdict", "NO GATES", "no gates were set")
    missing = [what for what, value, reason in rows if (value, reason) == ("not measured", "because")]
    assert missing == [figure.name for figure in summary_figures(bare_report()) if not figure.measured]
    assert missing == [
        "top-1 accuracy",
        "top-1 agreement with float",
        "speed",
        "parity with the simulation",
        "integer layers",
    ]


@pytest.mark.parametrize("labelled", [True, False], ids=["labelled", "unlabelled"])
def test_agreement_is_of_the_labelled_images_where_there_are_any(labelled: bool) -> None:
    figures = {each.name: each for each in summary_figures(make_report(labelled=labelled))}
    figure = figures["top-1 agreement with float"]
    assert figure.sample == f"20 images of {'a.npz' if labelled else 'noise'}"
    assert figure.value.endswith(" %") and figure.detail.endswith("] at 95 %")


def test_every_figure_has_a_gate_of_its_own() -> None:
    named = [name for figure in summary_figures(bare_report()) for name in figure.gates if " " not in name]
    assert {*named} <= {gate.name for gate in GATES} and len(named) == len({*named})
