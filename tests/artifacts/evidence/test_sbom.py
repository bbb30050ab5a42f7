"""The bill of materials is valid CycloneDX 1.6 and says what the bundle holds."""

from __future__ import annotations

import dataclasses
import json

import pytest

from gdfq_export.artifacts.evidence.sbom import sbom
from gdfq_export.report.report import Report
from tests.report.reports import make_report

HASHES = {name: f"{index:064x}" for index, name in enumerate(("model.onnx", "float.onnx", "calibration.npz"))}


@pytest.fixture(scope="module")
def report() -> Report:
    return make_report(labelled=True)


def invalid(text: str) -> object:
    """What CycloneDX's own validator says against it."""
    validation = pytest.importorskip("cyclonedx.validation.json", reason="needs cyclonedx-python-lib")
    from cyclonedx.schema import SchemaVersion

    return validation.JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)


@pytest.mark.parametrize("names", [[*HASHES], ["model.onnx", "float.onnx"]], ids=["with images", "without"])
def test_it_is_valid(report: Report, names: list[str]) -> None:
    assert invalid(sbom(report, {name: HASHES[name] for name in names})) is None
    plain = dataclasses.replace(report, recipe=None, calibration=None, task=None, seed=None, warnings=("a\x1bb",))
    assert invalid(sbom(plain, HASHES)) is None


def test_the_model_its_ancestor_its_images_and_the_packages_are_in_it(report: Report) -> None:
    body = json.loads(sbom(report, HASHES))
    model = body["metadata"]["component"]
    assert model["type"] == "machine-learning-model" and model["hashes"][0]["content"] == HASHES["model.onnx"]
    assert model["pedigree"]["ancestors"][0]["hashes"][0]["content"] == HASHES["float.onnx"]
    assert model["modelCard"]["modelParameters"]["datasets"] == [{"ref": "calibration.npz"}]
    metrics = {each["type"] for each in model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]}
    assert {"top-1 accuracy", "float top-1 accuracy", "top-1 agreement with the float network"} <= metrics
    names = {each["name"] for each in body["components"]}
    assert {"float.onnx", "calibration.npz", "torch", "onnxruntime", "gdfq-export"} <= names


def test_references_are_unique_and_exist(report: Report) -> None:
    body = json.loads(sbom(report, HASHES))
    references = [each["bom-ref"] for each in body["components"]] + [body["metadata"]["component"]["bom-ref"]]
    assert len({*references}) == len(references)
    used = {name for each in body["dependencies"] for name in (each["ref"], *each["dependsOn"])}
    assert used <= {*references}


def test_the_same_run_gives_the_same_bytes_and_another_file_another_number(report: Report) -> None:
    assert sbom(report, HASHES) == sbom(report, HASHES)
    other = json.loads(sbom(report, {**HASHES, "model.onnx": "f" * 64}))
    assert other["serialNumber"] != json.loads(sbom(report, HASHES))["serialNumber"]
