"""The software bill of materials of a bundle: CycloneDX 1.6, with the quantized network as its ML component.

It names the float network it was made from, the images it was tuned on, and the packages that made it, each with
hash or version. No dates, and a serial number that is the file's own: the same run on the same machine gives the same
bytes. https://cyclonedx.org/docs/1.6/json
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from gdfq_export.artifacts.evidence.software import Package, installed_packages
from gdfq_export.report.report import Report
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.text import counted

_SERIAL = uuid.uuid5(uuid.NAMESPACE_URL, "urn:gdfq-export:sbom")
_MODEL, _FLOAT, _IMAGES = "model.onnx", "float.onnx", "calibration.npz"
_TASKS = {
    "classify": "image-classification",
    "detect": "object-detection",
    "segment": "image-segmentation",
    "embed": "feature-extraction",
    "regress": "regression",
}


def sbom(report: Report, hashes: Mapping[str, str]) -> str:
    """The bill of materials as JSON; `hashes` are SHA-256 of the bundle's files by name."""
    network = _network(report, hashes)
    packages = installed_packages(*report.versions)
    parts = [part for part in (_FLOAT, _IMAGES) if part in hashes]
    body = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_SERIAL, hashes[_MODEL])}",
        "version": 1,
        "metadata": {
            "tools": {
                "components": [{"type": "application", "name": "gdfq-export", "version": report.tool_version}],
            },
            "component": {
                "type": "machine-learning-model",
                "bom-ref": _MODEL,
                "name": _MODEL,
                "version": hashes[_MODEL][:12],
                "description": f"{report.source}, quantized",
                "hashes": _hash(hashes[_MODEL]),
                "pedigree": {"ancestors": [network], "notes": _notes(report)},
                "modelCard": _model_card(report, parts),
                "properties": _properties(report),
            },
        },
        "components": [
            {"bom-ref": _FLOAT, **network},
            *([_images(report, hashes)] if _IMAGES in hashes else []),
            *map(_library, packages),
        ],
        "dependencies": [
            {"ref": _MODEL, "dependsOn": [*parts, *(package.url for package in packages)]},
            *_requirements(packages),
        ],
    }
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def _hash(digest: str) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": digest}]


def _network(report: Report, hashes: Mapping[str, str]) -> dict[str, Any]:
    """The float network that the quantized one was made from."""
    return {
        "type": "machine-learning-model",
        "name": report.files.float_network.name,
        "version": hashes[_FLOAT][:12],
        "description": f"the float network, from {report.source}",
        "hashes": _hash(hashes[_FLOAT]),
    }


def _images(report: Report, hashes: Mapping[str, str]) -> dict[str, Any]:
    source = "unknown" if report.calibration is None else report.calibration.source
    return {
        "type": "data",
        "bom-ref": _IMAGES,
        "name": _IMAGES,
        "description": f"images that the network was tuned on: {source}",
        "hashes": _hash(hashes[_IMAGES]),
        "data": [{"type": "dataset", "name": _IMAGES, "description": source}],
    }


def _library(package: Package) -> dict[str, Any]:
    licenses = {"licenses": [{"expression": package.license}]} if package.license else {}
    return {
        "type": "library",
        "bom-ref": package.url,
        "name": package.name,
        "version": package.version,
        "purl": package.url,
        **licenses,
    }


def _requirements(packages: Sequence[Package]) -> list[dict[str, Any]]:
    urls = {package.name: package.url for package in packages}
    return [
        {"ref": package.url, "dependsOn": [urls[name] for name in package.requires if name in urls]}
        for package in packages
    ]


def _model_card(report: Report, parts: Sequence[str]) -> dict[str, Any]:
    task = None if report.task is None else report.task.name
    parameters: dict[str, Any] = {} if task is None else {"task": _TASKS.get(task, task)}
    if _IMAGES in parts:
        parameters["datasets"] = [{"ref": _IMAGES}]
    parameters["inputs"] = [{"format": f"float32 {[*report.input.shape]} without the batch"}]
    card: dict[str, Any] = {"modelParameters": parameters}
    if metrics := _metrics(report):
        card["quantitativeAnalysis"] = {"performanceMetrics": metrics}
    if report.warnings:
        card["considerations"] = {"technicalLimitations": [*report.warnings]}
    return card


def _metrics(report: Report) -> list[dict[str, Any]]:
    """Figures that a sample was measured on, with their 95 % intervals."""
    found = []
    if not isinstance(report.accuracy, NotMeasured):
        on = f"{counted(report.accuracy.images, 'image')} of {report.accuracy.source}"
        for name, share in (("float", report.accuracy.top1.float_network), ("", report.accuracy.top1.quantized)):
            found.append(_metric(f"{name} top-1 accuracy".strip(), share.value, share.low, share.high, on))
    if not isinstance(report.agreement, NotMeasured):
        share = report.agreement.top1
        on = f"{counted(report.agreement.images, 'image')} of {report.agreement.source}"
        found.append(_metric("top-1 agreement with the float network", share.value, share.low, share.high, on))
    if report.task is not None:
        on = f"{counted(report.task.images, 'image')} of {report.task.source}"
        for figure in report.task.figures:
            unit = f", {figure.unit}" if figure.unit else ""
            found.append(_metric(f"{figure.title}{unit}", figure.value, figure.low, figure.high, on))
    return found


def _metric(name: str, value: float, low: float | None, high: float | None, on: str) -> dict[str, Any]:
    interval = {} if low is None or high is None else {"lowerBound": str(low), "upperBound": str(high)}
    return {
        "type": name,
        "value": str(value),
        "slice": on,
        **({"confidenceInterval": interval} if interval else {}),
    }


def _properties(report: Report) -> list[dict[str, str]]:
    recipe, parity = report.recipe, report.parity
    facts = {
        "recipe": None if recipe is None else recipe.name,
        "recipe-sha256": None if recipe is None else recipe.sha256,
        "target": None if recipe is None else recipe.target,
        "seed": None if report.seed is None else str(report.seed),
        "parity": None if isinstance(parity, NotMeasured) else "exact" if parity.exact else "not exact",
    }
    return [{"name": f"gdfq-export:{key}", "value": value} for key, value in facts.items() if value is not None]


def _notes(report: Report) -> str:
    how = "" if report.recipe is None else f" with the recipe {report.recipe.name}"
    return f"quantized{how} by gdfq-export {report.tool_version}"
