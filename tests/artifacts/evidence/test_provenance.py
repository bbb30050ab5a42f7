"""Provenance is an in-toto statement of SLSA: subjects, what was chosen, what it was made of."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from gdfq_export.artifacts.evidence.provenance import provenance
from gdfq_export.report.report import Report
from tests.report.reports import make_report

NAMES = ("model.onnx", "float.onnx", "float.json", "calibration.npz", "report.json", "check.npz")
HASHES = {name: f"{index:064x}" for index, name in enumerate(NAMES)}


@pytest.fixture(scope="module")
def report() -> Report:
    return make_report(labelled=False)


def test_what_was_chosen_and_what_it_was_made_of(report: Report) -> None:
    body = json.loads(provenance(report, HASHES, finished=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)))
    assert body["subject"] == [{"name": "model.onnx", "digest": {"sha256": HASHES["model.onnx"]}}]
    definition, details = body["predicate"]["buildDefinition"], body["predicate"]["runDetails"]
    assert report.recipe is not None
    assert definition["externalParameters"]["recipe"] == {"name": report.recipe.name, "sha256": report.recipe.sha256}
    assert definition["externalParameters"]["seed"] == report.seed
    assert definition["internalParameters"]["recipeUsed"] == report.recipe.used
    names = {each["name"] for each in definition["resolvedDependencies"]}
    assert {"float.onnx", "float.json", "calibration.npz", "torch", "numpy"} <= names
    assert [each["name"] for each in details["byproducts"]] == ["report.json", "check.npz"]
    assert details["metadata"] == {"finishedOn": "2026-01-02T03:04:05Z"}
    assert details["builder"]["version"] == report.versions


def test_it_is_a_statement_that_in_toto_reads(report: Report) -> None:
    statement = pytest.importorskip("in_toto_attestation.v1.statement_pb2", reason="needs the extra sign")
    from google.protobuf import json_format

    read = json_format.Parse(provenance(report, HASHES), statement.Statement())
    assert read.type == "https://in-toto.io/Statement/v1" and read.predicate_type == "https://slsa.dev/provenance/v1"
    assert [subject.name for subject in read.subject] == ["model.onnx"]
