"""Reading an earlier report: versions 1 to 4, and what is not a report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gdfq_export.errors import InputError
from gdfq_export.gates import GATES
from gdfq_export.report.baseline import read_baseline
from gdfq_export.report.json_form import SCHEMA_VERSION
from gdfq_export.report.regressions import REGRESSIONS, regressions
from gdfq_export.report.report import Report
from gdfq_export.report.verdict import Verdict
from tests.report.regressions.test_table import accuracy, earlier, make
from tests.report.reports import bare_report, make_report

OLD = Path(__file__).parent / "old_versions"
"""Reports of one tiny classifier, written by the tool when it had these schema versions."""


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_reports_of_old_versions_are_baselines(version: int) -> None:
    path = OLD / f"version_{version}.json"
    assert json.loads(path.read_text(encoding="utf-8"))["schema_version"] == version
    now = make_report(labelled=True)
    results = regressions(now, read_baseline(path), {each.name: 100.0 for each in REGRESSIONS})
    verdicts = {result.name.split()[1]: result.verdict for result in results}
    # these reports did not measure resources and figures of tasks
    unknown = {"load-seconds-ratio", "peak-memory-ratio"}
    unknown |= {gate.name.partition("-")[2] for gate in GATES if gate.from_task}
    assert {name for name, verdict in verdicts.items() if verdict is Verdict.INCONCLUSIVE} == unknown
    assert {verdict for name, verdict in verdicts.items() if name not in unknown} == {Verdict.PASSED}


@pytest.mark.parametrize("version", range(2, SCHEMA_VERSION))
def test_reports_of_old_versions_are_loaded_under_the_new_names(version: int) -> None:
    path = OLD / f"version_{version}.json"
    before, now = json.loads(path.read_text(encoding="utf-8")), json.loads(Report.load(path).to_json())
    layer, layer_before = now["layers"]["layers"][1], before["layers"]["layers"][1]
    assert layer["out_of_range_fraction"] == layer_before["beyond"]
    assert layer["added_noise_ratio"] == layer_before["added"]
    assert now["weights"][0]["zero_channels"] == before["weights"][0]["unused_channels"]
    assert now["latency"]["quantized"]["relative_iqr"] == before["latency"]["quantized"]["drift"]
    assert now["coverage"]["operator_counts"] == before["coverage"]["operators"]
    assert now["accuracy"] == before["accuracy"] and now["reasons"] == before["reasons"]


def test_version_1_holds_too_little_to_be_loaded_whole() -> None:
    with pytest.raises(InputError, match=r"version_1\.json has schema_version 1; versions 2 to 4 can be read here"):
        Report.load(OLD / "version_1.json")


def write(folder: Path, body: Any) -> Path:
    path = folder / "base.json"
    path.write_text(body if isinstance(body, str) else json.dumps(body), encoding="utf-8")
    return path


@pytest.mark.parametrize("report", [make_report(labelled=True), bare_report()], ids=["full", "bare"])
def test_what_a_report_writes_is_read(tmp_path: Path, report: Report) -> None:
    assert read_baseline(write(tmp_path, report.to_json())) == earlier(report)


def broken(*keys: str, value: Any = None) -> dict[str, Any]:
    """A report without a key, or with another value there."""
    body = json.loads(make(accuracy=accuracy(20, 0, 0, 20)).to_json())
    inner = body
    for key in keys[:-1]:
        inner = inner[key]
    if value is None:
        del inner[keys[-1]]
    else:
        inner[keys[-1]] = value
    return body


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("{", "is not JSON or is cut short"),
        ("[]", "is not a report of this tool"),
        ({"schema_version": 5}, "has schema_version 5; versions 1 to 4 can be read here"),
        (broken("schema_version", value=True), "has schema_version True"),
        (broken("files"), "has no key files;"),
        (broken("resources"), "has no key resources;"),
        (broken("accuracy", "top1", "quantized", "low"), r"has no key accuracy\.top1\.quantized\.low;"),
        (broken("latency", "speedup", value=2), r"has 2 as latency\.speedup, which must be a mapping"),
        (broken("latency", "speedup", "low", value=0), r"has 0 as latency\.speedup\.low, which must be a number above"),
        (broken("files", "size_ratio", value="x"), r"has 'x' as files\.size_ratio, which must be a number;"),
        (broken("files", "size_ratio", value=float("nan")), r"has nan as files\.size_ratio"),
        (broken("machine", "cpu", value=3), r"has 3 as machine\.cpu, which must be a string"),
    ],
    ids=["cut", "list", "newer", "true", "part", "section", "deep", "flat", "zero", "text", "nan", "number"],
)
def test_what_is_no_report_is_named_with_its_key(tmp_path: Path, body: Any, said: str) -> None:
    path = write(tmp_path, body)
    with pytest.raises(InputError, match=said) as caught:
        read_baseline(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_a_plain_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read the baseline .*none\.json: No such file"):
        read_baseline(tmp_path / "none.json")
