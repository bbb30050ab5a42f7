"""A bundle is opened only if every file is the one that its manifest was written for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gdfq_export.artifacts.manifest import MANIFEST, open_bundle, write_manifest
from gdfq_export.errors import InputError


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    for name in ("model.onnx", "float.onnx", "calibration.npz", "report.json"):
        (tmp_path / name).write_bytes(name.encode())
    write_manifest(tmp_path, {"tool_version": "1", "seed": 0})
    return tmp_path


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        open_bundle(path)
    return str(caught.value)


def test_a_bundle_is_found_by_its_folder_or_its_manifest(bundle: Path) -> None:
    for path in (bundle, bundle / MANIFEST):
        opened = open_bundle(path)
        assert (opened.model, opened.float_network) == (bundle / "model.onnx", bundle / "float.onnx")
        assert opened.calibration == bundle / "calibration.npz"
        assert opened.facts["seed"] == 0


def test_the_same_files_give_the_same_manifest(bundle: Path) -> None:
    before = (bundle / MANIFEST).read_bytes()
    write_manifest(bundle, {"seed": 0, "tool_version": "1"})
    assert (bundle / MANIFEST).read_bytes() == before


@pytest.mark.parametrize("name", ["model.onnx", "float.onnx", "calibration.npz"])
def test_a_changed_file_is_named(bundle: Path, name: str) -> None:
    (bundle / name).write_bytes(b"something else")
    assert name in refusal(bundle) and "SHA-256" in refusal(bundle)


def test_an_engine_stands_apart_from_what_every_run_makes_again(bundle: Path) -> None:
    files = json.loads((bundle / MANIFEST).read_text())["files"]
    (bundle / "model.plan").write_bytes(b"an engine")
    (bundle / "timing.cache").write_bytes(b"measured")
    write_manifest(bundle, {"engine": {"built_with": "tensorrt 11.4"}})
    facts = json.loads((bundle / MANIFEST).read_text())
    assert facts["files"] == files
    assert facts["engine"]["built_with"] == "tensorrt 11.4"
    assert [*facts["engine"]["files"]] == ["model.plan", "timing.cache"]
    assert open_bundle(bundle).engine == bundle / "model.plan"


@pytest.mark.parametrize("name", ["model.plan", "timing.cache"])
def test_a_changed_engine_is_named(bundle: Path, name: str) -> None:
    (bundle / name).write_bytes(b"an engine")
    write_manifest(bundle, {})
    (bundle / name).write_bytes(b"another")
    assert name in refusal(bundle) and "SHA-256" in refusal(bundle)
    (bundle / name).unlink()
    assert f"lists {name}" in refusal(bundle)


def test_a_bundle_without_its_engine_says_why_and_opens(bundle: Path) -> None:
    write_manifest(bundle, {"engine": {"not_built": "TensorRT is not installed"}})
    opened = open_bundle(bundle)
    assert opened.engine is None
    assert opened.facts["engine"] == {"files": {}, "not_built": "TensorRT is not installed"}


def test_a_bundle_that_never_had_an_engine_says_nothing_of_it(bundle: Path) -> None:
    assert "engine" not in open_bundle(bundle).facts and open_bundle(bundle).engine is None


def test_a_report_may_change_because_it_holds_timings(bundle: Path) -> None:
    (bundle / "report.json").write_text("measured again")
    open_bundle(bundle)


def test_a_missing_file_is_named(bundle: Path) -> None:
    (bundle / "float.onnx").unlink()
    assert "lists float.onnx" in refusal(bundle)


def test_without_images_there_are_none(bundle: Path) -> None:
    (bundle / "calibration.npz").unlink()
    write_manifest(bundle, {})
    assert open_bundle(bundle).calibration is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is no JSON"),
        ("[]", "is no manifest of a bundle"),
        ('{"manifest_version": 99}', "manifest_version 99"),
        ('{"manifest_version": 1}', "does not list"),
    ],
    ids=["cut short", "a list", "newer", "no files"],
)
def test_what_is_no_manifest_is_refused(bundle: Path, text: str, words: str) -> None:
    (bundle / MANIFEST).write_text(text)
    assert words in refusal(bundle)


@pytest.mark.parametrize("section", ["files", "engine"])
def test_a_manifest_reads_nothing_outside_of_its_folder(bundle: Path, section: str) -> None:
    facts = json.loads((bundle / MANIFEST).read_text())
    listed = facts["files"] if section == "files" else facts.setdefault("engine", {"files": {}})["files"]
    listed["../secret"] = {"bytes": 1, "sha256": "0"}
    (bundle / MANIFEST).write_text(json.dumps(facts))
    assert "no file of a bundle" in refusal(bundle)


def test_a_folder_without_a_manifest_says_what_to_give(tmp_path: Path) -> None:
    assert "manifest.json of a bundle" in refusal(tmp_path)
