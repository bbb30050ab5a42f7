"""Without a GPU every row says why it has no number; with one, earlier rows of the same machine are kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from bench.gpu import __main__ as command
from bench.gpu.needs import all_of, files
from bench.latency import with_gpu

GPU = {"name": "a GPU", "memory_bytes": 1}
VERSIONS = {"torch": "2"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_every_row_has_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "FOLDER", tmp_path)
    monkeypatch.setattr("bench.results_file.FOLDER", tmp_path)
    done = CliRunner().invoke(command.main, [])
    assert done.exit_code == 0
    rows = [title for section in command.all_sections() for title in section.titles]
    printed = done.output.splitlines()
    assert [line.partition(": ")[0] for line in printed[:-1]] == rows
    assert all(": not measured: " in line and len(line) > 60 for line in printed[:-1])
    body = json.loads((tmp_path / "gpu.json").read_text())
    assert body["gpu"] is None and all(section["reason"] for section in body["sections"].values())


def test_an_unknown_section_is_a_usage_error() -> None:
    done = CliRunner().invoke(command.main, ["--only", "speed"])
    assert done.exit_code == 2 and "there is no section speed; give some of w8a8-ort-cpu" in done.output


def test_rows_count_only_on_the_gpu_and_versions_they_were_measured_with() -> None:
    measured = {"rows": {"first": {}}, "reason": "", "seconds": 1.0}
    body = {"gpu": GPU, "versions": VERSIONS, "sections": {"one": measured}}
    assert command.earlier(body, GPU, VERSIONS)["one"].complete
    assert not command.earlier(body, {**GPU, "name": "another"}, VERSIONS)
    assert not command.earlier(body, GPU, {"torch": "3"}) and not command.earlier(None, GPU, VERSIONS)


def test_sections_fit_into_the_time_of_the_command() -> None:
    assert sum(section.seconds for section in command.all_sections()) <= 1.2 * command.SECONDS


def test_needs_are_asked_in_order_until_one_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GDFQ_EXPORT_DATA", str(tmp_path))
    assert all_of(lambda: "", lambda: "no GPU", lambda: pytest.fail("asked"))() == "no GPU"
    assert files("here.onnx")().startswith(f"{tmp_path / 'here.onnx'} is missing; GDFQ_EXPORT_DATA")
    (tmp_path / "here.onnx").touch()
    assert all_of(files("here.onnx"))() == ""


def test_rows_of_a_gpu_take_the_place_of_those_that_were_not_measured() -> None:
    body = {"network": "net", "batch": 1, "rows": {"float": {}}, "missing": {"ours, tensorrt": "no", "peer": "no"}}
    rows = {"net batch 1, ours, tensorrt": {"bytes": 1}, "net batch 8, ours, tensorrt": {"bytes": 2}}
    shown = with_gpu(body, {"gpu": GPU, "sections": {"engines-net": {"rows": rows}}})
    assert shown["rows"] == {"float": {}, "ours, tensorrt, a GPU": {"bytes": 1}} and shown["missing"] == {"peer": "no"}
    assert with_gpu(body, {"gpu": None, "sections": {}})["missing"] == body["missing"]
