from __future__ import annotations

import dataclasses
import shlex

import pytest
import yaml

from gdfq_export.cli.commands.quantize import quantize
from gdfq_export.cli.commands.verify import verify
from gdfq_export.recipe import Recipe
from gdfq_export.report.report import Report
from gdfq_export.views.html.reproduce import reproduction
from tests.report.reports import bare_report, make_report
from tests.views.html.gated import decided, gate, with_gates

COMMANDS = {"quantize": quantize, "verify": verify}
REPORTS = {
    "labelled": lambda: make_report(labelled=True),
    "unlabelled": lambda: make_report(labelled=False),
    "gated": lambda: decided(max_top1_drop_pp=1.0, require_parity=True),
    "found": bare_report,
}


@pytest.mark.parametrize("name", REPORTS)
def test_every_flag_is_one_that_the_command_has(name: str) -> None:
    report = REPORTS[name]()
    words = shlex.split(reproduction(report).command.replace("\\\n", " "))
    assert words[:2] == ["gdfq-export", report.command]
    known = {flag for parameter in COMMANDS[report.command].params for flag in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


def test_the_recipe_beside_the_command_is_the_one_that_was_run() -> None:
    report = make_report(labelled=True)
    again = reproduction(report)
    assert Recipe.model_validate(yaml.safe_load(again.recipe)) == Recipe.model_validate(dict(report.recipe.used))
    assert "--recipe recipe.yaml" in again.command


def test_gates_are_set_again() -> None:
    report: Report = with_gates(
        gate(limit=0.5), gate("require-parity", limit=True), gate("max-regression top1-pp", limit=0.25)
    )
    command = reproduction(report).command
    assert "--max-top1-drop-pp 0.5" in command
    assert "--require-parity" in command
    assert "--baseline baseline.json" in command
    assert "--max-regression top1-pp=0.25" in command


def test_names_are_quoted_for_the_shell() -> None:
    report = dataclasses.replace(make_report(labelled=False), source="my file;rm -rf.onnx")
    assert "'my file;rm -rf.onnx'" in reproduction(report).command
