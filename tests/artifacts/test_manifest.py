"""A bundle is opened only if every file is the one that its manifest was written for."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import onnx
import pytest

from gdfq_export.artifacts.manifest import MANIFEST, open_bundle, write_manifest
from gdfq_export.errors import InputError
from gdfq_export.qdq.metadata import as_metadata
from tests import tiny_graph
from tests.artifacts.checked_bundle import edit_manifest

FACTS: dict[str, Any] = {
    "tool_version": "1",
    "seed": 0,
    "target": "ort-cpu",
    "recipe": {"name": "w8a8", "sha256": "ab", "used": {"bits": 8}},
    "source": "net.onnx",
    "versions": {"onnxruntime": "1"},
    "parity": True,
    "verified_in": "onnxruntime",
    "computing": {"threads": 1},
    "input": {"preprocess": {"scale": 255}},
}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    network = tiny_graph.model(nodes=[("Relu", ["x"], ["y"])], inputs={"x": ("batch", 4)}, outputs=["y"])
    onnx.save(network, tmp_path / "float.onnx")
    said = {"version": "1", "seed": "0", "target": "ort-cpu", "recipe": "w8a8", "recipe_sha256": "ab"}
    onnx.helper.set_model_props(network, as_metadata(said))
    onnx.save(network, tmp_path / "model.onnx")
    (tmp_path / "float.json").write_text(json.dumps(FACTS["input"]))
    (tmp_path / "calibration.npz").write_bytes(b"images")
    files = {key: {"sha256": sha256(tmp_path / name)} for key, name in FILES.items()}
    report = {key: FACTS[key] for key in ("tool_version", "seed", "source", "versions", "recipe", "computing")}
    report |= {"files": files, "parity": {"exact": True}, "runtime": {"measured_in": "onnxruntime"}}
    (tmp_path / "report.json").write_text(json.dumps(report))
    write_manifest(tmp_path, FACTS)
    return tmp_path


FILES = {"quantized": "model.onnx", "float_network": "float.onnx"}


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
    write_manifest(bundle, dict(reversed(FACTS.items())))
    assert (bundle / MANIFEST).read_bytes() == before


@pytest.mark.parametrize("name", ["model.onnx", "float.onnx", "float.json", "calibration.npz", "report.json"])
def test_a_changed_file_is_named(bundle: Path, name: str) -> None:
    (bundle / name).write_bytes(b"something else")
    assert name in refusal(bundle) and "SHA-256" in refusal(bundle)


def test_an_engine_stands_apart_from_what_every_run_makes_again(bundle: Path) -> None:
    files = json.loads((bundle / MANIFEST).read_text())["files"]
    (bundle / "model.plan").write_bytes(b"an engine")
    (bundle / "timing.cache").write_bytes(b"measured")
    write_manifest(bundle, {**FACTS, "engine": {"built_with": "tensorrt 11.4"}})
    facts = json.loads((bundle / MANIFEST).read_text())
    assert facts["files"] == files
    assert facts["engine"]["built_with"] == "tensorrt 11.4"
    assert [*facts["engine"]["files"]] == ["model.plan", "timing.cache"]
    assert open_bundle(bundle).engine == bundle / "model.plan"


@pytest.mark.parametrize("name", ["model.plan", "timing.cache"])
def test_a_changed_engine_is_named(bundle: Path, name: str) -> None:
    (bundle / name).write_bytes(b"an engine")
    write_manifest(bundle, FACTS)
    (bundle / name).write_bytes(b"another")
    assert name in refusal(bundle) and "SHA-256" in refusal(bundle)
    (bundle / name).unlink()
    assert f"lists {name}" in refusal(bundle)


def test_a_bundle_without_its_engine_says_why_and_opens(bundle: Path) -> None:
    write_manifest(bundle, {**FACTS, "engine": {"not_built": "TensorRT is not installed"}})
    opened = open_bundle(bundle)
    assert opened.engine is None
    assert opened.facts["engine"] == {"files": {}, "not_built": "TensorRT is not installed"}


def test_a_bundle_that_never_had_an_engine_says_nothing_of_it(bundle: Path) -> None:
    assert "engine" not in open_bundle(bundle).facts and open_bundle(bundle).engine is None


def test_of_older_versions_reports_may_change_but_not_what_the_file_says(bundle: Path) -> None:
    def older(facts: dict[str, Any]) -> None:
        facts["manifest_version"] = 1

    edit_manifest(bundle, older)
    (bundle / "report.json").write_text("measured again")
    open_bundle(bundle)
    edit_manifest(bundle, lambda facts: facts.update(seed=1))
    assert "states 1 as seed, where model.onnx beside it says 0" in refusal(bundle)


def test_an_edited_manifest_is_refused(bundle: Path) -> None:
    text = (bundle / MANIFEST).read_text()
    (bundle / MANIFEST).write_text(text.replace('"parity": true', '"parity": false'))
    assert "manifest.json was changed since it was written" in refusal(bundle)


@pytest.mark.parametrize("indent", [None, 4])
def test_another_layout_of_the_manifest_is_no_change(bundle: Path, indent: int | None) -> None:
    facts = json.loads((bundle / MANIFEST).read_text())
    (bundle / MANIFEST).write_text(json.dumps(facts, indent=indent))
    open_bundle(bundle)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 1}, "states 1 as seed, where model.onnx beside it says 0"),
        ({"seed": False}, "states false as seed, where model.onnx"),
        ({"target": "openvino"}, 'states "openvino" as target, where model.onnx'),
        ({"tool_version": "2"}, "as tool_version, where model.onnx"),
        ({"recipe": {**FACTS["recipe"], "sha256": "cd"}}, "as recipe.sha256, where model.onnx"),
        ({"recipe": None}, "states nothing as recipe.name, where model.onnx"),
        ({"recipe": {**FACTS["recipe"], "used": {}}}, "as recipe, where report.json"),
        ({"parity": False}, "states false as parity, where report.json beside it says true"),
        ({"source": "other.onnx"}, "as source, where report.json"),
        ({"versions": {}}, "as versions, where report.json"),
        ({"computing": {"threads": 2}}, "as computing, where report.json"),
        ({"verified_in": None}, "as verified_in, where report.json"),
        ({"input": {}}, "as input, where float.json"),
    ],
    ids=str,
)
def test_a_manifest_with_fresh_hashes_must_agree_with_the_files(
    bundle: Path, change: dict[str, Any], words: str
) -> None:
    write_manifest(bundle, {**FACTS, **change})
    assert words in refusal(bundle)


def test_a_network_with_fresh_hashes_is_not_the_one_of_the_report(bundle: Path) -> None:
    proto = onnx.load(bundle / "float.onnx")
    proto.doc_string = "another"
    onnx.save(proto, bundle / "float.onnx")
    write_manifest(bundle, FACTS)
    assert "as files.float.onnx.sha256, where report.json" in refusal(bundle)


@pytest.mark.parametrize("name", ["float.json", "calibration.npz", "report.json"])
def test_what_is_taken_out_of_a_manifest_is_not_read(bundle: Path, name: str) -> None:
    def take_out(facts: dict[str, Any]) -> None:
        for section in ("files", "measurements"):
            facts[section].pop(name, None)

    edit_manifest(bundle, take_out)
    assert name in refusal(bundle)


def test_no_file_of_a_bundle_lies_unlisted_in_it(bundle: Path) -> None:
    (bundle / "notes.txt").write_text("of the user")
    open_bundle(bundle)
    (bundle / "model.plan").write_bytes(b"an engine")
    assert "model.plan is not listed in manifest.json" in refusal(bundle)


def test_a_missing_file_is_named(bundle: Path) -> None:
    (bundle / "float.onnx").unlink()
    assert "lists float.onnx" in refusal(bundle)


def test_without_images_there_are_none(bundle: Path) -> None:
    (bundle / "calibration.npz").unlink()
    write_manifest(bundle, FACTS)
    assert open_bundle(bundle).calibration is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is no JSON"),
        ("[]", "is no manifest of a bundle"),
        ('{"manifest_version": 99}', "manifest_version 99"),
        ('{"manifest_version": 1}', "does not list"),
        ('{"manifest_version": 2, "files": {"model.onnx": {}, "float.onnx": {}}}', "and float.json under files"),
        ('{"a":' * 10**5, "is no JSON"),
    ],
    ids=["cut short", "a list", "newer", "no files", "no sidecar", "deep"],
)
def test_what_is_no_manifest_is_refused(bundle: Path, text: str, words: str) -> None:
    (bundle / MANIFEST).write_text(text)
    assert words in refusal(bundle)


@pytest.mark.parametrize("section", ["files", "engine"])
def test_a_manifest_reads_nothing_outside_of_its_folder(bundle: Path, section: str) -> None:
    def add(facts: dict[str, Any]) -> None:
        listed = facts["files"] if section == "files" else facts.setdefault("engine", {"files": {}})["files"]
        listed["../secret"] = {"bytes": 1, "sha256": "0"}

    edit_manifest(bundle, add)
    assert "no file of a bundle" in refusal(bundle)


def test_a_folder_without_a_manifest_says_what_to_give(tmp_path: Path) -> None:
    assert "manifest.json of a bundle" in refusal(tmp_path)
