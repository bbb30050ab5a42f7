"""Writes a bundle (see `manifest.py`) of one run, each file under the name that it has in every bundle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gdfq_export.artifacts.bundle_content import BundleContent
from gdfq_export.artifacts.bundled_engine import BundledEngine
from gdfq_export.artifacts.evidence.provenance import provenance
from gdfq_export.artifacts.evidence.sbom import sbom
from gdfq_export.artifacts.expected_outputs import has_device_check, write_expected
from gdfq_export.artifacts.manifest import MANIFEST, write_manifest
from gdfq_export.planning.plan import QuantPlan
from gdfq_export.report.report import InputFacts, NamedInput, Report
from gdfq_export.support.files import atomic_folder, sha256_file
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.text import to_utf8
from gdfq_export.views.model_card import model_card


def write_bundle(folder: Path, content: BundleContent, engine: BundledEngine | None = None) -> None:
    """Write the bundle of a run into `folder`, whole or not at all.

    `engine` is None where the target's runtime runs none.

    Raises:
        InputError: `folder` cannot be written, or holds other things than an older bundle.
    """
    with atomic_folder(folder, marker=MANIFEST) as part:
        fill_bundle(part, content, engine)


def fill_bundle(part: Path, content: BundleContent, engine: BundledEngine | None = None) -> None:
    """Write the files of a bundle into the empty folder `part`, the manifest last."""
    report = content.report
    (part / "model.onnx").write_bytes(content.onnx_bytes)
    (part / "float.onnx").write_bytes(content.model.original.SerializeToString())
    (part / "float.json").write_bytes(to_utf8(json.dumps(_sidecar(report), indent=2) + "\n"))
    if content.images is not None:
        content.images.save(part / "calibration.npz")
    if engine is not None and engine.data is not None:
        (part / "model.plan").write_bytes(engine.data)
        if engine.timing_cache is not None:
            (part / "timing.cache").write_bytes(engine.timing_cache)
    (part / "report.json").write_bytes(to_utf8(report.to_json()))
    (part / "report.html").write_bytes(to_utf8(content.page))
    checked = {"device_check": write_expected(part, content)} if has_device_check(content.plan) else {}
    _write_evidence(part, report)
    write_manifest(part, {**_facts(report, content.plan), **_engine_facts(engine), **checked})


def _write_evidence(folder: Path, report: Report) -> None:
    """Bill of materials, provenance and model card, of the files that are in `folder`."""
    hashes = {file.name: sha256_file(file) for file in sorted(folder.iterdir())}
    (folder / "sbom.cdx.json").write_bytes(to_utf8(sbom(report, hashes)))
    (folder / "provenance.json").write_bytes(to_utf8(provenance(report, hashes)))
    (folder / "README.md").write_bytes(to_utf8(model_card(report)))


def _sidecar(report: Report) -> dict[str, Any]:
    image = report.input
    classes = {} if image.classes is None else {"classes": image.classes}
    if image.inputs:
        return {"inputs": {each.name: _input(each) for each in image.inputs}, **classes}
    own = _input(image)
    return {"input": own["input"], **classes, "preprocess": own["preprocess"]}


def _input(image: InputFacts | NamedInput) -> dict[str, Any]:
    preprocess = {"scale": image.scale, "mean": [*image.mean], "std": [*image.std]}
    return {"input": [*image.shape], "preprocess": preprocess}


def _engine_facts(engine: BundledEngine | None) -> Mapping[str, Any]:
    if engine is None:
        return {}
    built = {"built_with": engine.built_with, "largest_batch": engine.batch}
    return {"engine": built if engine.data is not None else {"not_built": engine.not_built}}


def _facts(report: Report, plan: QuantPlan) -> Mapping[str, Any]:
    """How the file came to be, with nothing in it that a clock decides but what `--target auto` measured."""
    parity, choice = report.parity, report.target_choice
    recipe, runtime = report.recipe, report.runtime
    return {
        "tool_version": report.tool_version,
        "source": report.source,
        "input": _sidecar(report),
        "recipe": None if recipe is None else {"name": recipe.name, "sha256": recipe.sha256, "used": recipe.used},
        "seed": report.seed,
        "computing": None if report.computing is None else asdict(report.computing),
        "target": plan.target,
        **({} if choice is None else {"target_choice": {"machine": asdict(report.machine), **asdict(choice)}}),
        "verified_in": None if runtime is None else runtime.measured_in,
        "parity": None if isinstance(parity, NotMeasured) else parity.exact,
        "plan": [
            {
                "tensor": point.tensor,
                "role": point.role.value,
                "bits": point.bits,
                "signed": point.signed,
                "axis": point.axis,
                "group": point.group,
            }
            for point in plan.points
        ],
        "versions": dict(report.versions),
    }
