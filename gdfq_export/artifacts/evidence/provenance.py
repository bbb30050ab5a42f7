"""How a bundle's file came to be: an in-toto statement with a provenance predicate of SLSA.

https://in-toto.io/Statement/v1, https://slsa.dev/provenance/v1. What the user chose stands under `externalParameters`,
what the run made of it under `internalParameters`; the float network, the images and the packages are
`resolvedDependencies`. The statement is not signed by itself: the bundle's signature covers it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from gdfq_export.artifacts.evidence.software import installed_packages
from gdfq_export.report.report import Report

BUILD_TYPE = "urn:gdfq-export:quantize:1"
_SUBJECTS = ("model.onnx", "model.plan")
_SOURCES = ("float.onnx", "float.json", "calibration.npz")
_BYPRODUCTS = ("report.json", "report.html", "check.npz", "timing.cache")


def provenance(report: Report, hashes: Mapping[str, str], *, finished: datetime | None = None) -> str:
    """The statement as JSON.

    Args:
        report: of the run.
        hashes: SHA-256 of the bundle's files by name.
        finished: when the run ended; None: now.
    """
    recipe, calibration = report.recipe, report.calibration
    body = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": _described(hashes, _SUBJECTS),
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "source": report.source,
                    "recipe": None if recipe is None else {"name": recipe.name, "sha256": recipe.sha256},
                    "target": None if recipe is None else recipe.target,
                    "seed": report.seed,
                    "budgetSeconds": None if report.budget is None else report.budget.seconds,
                },
                "internalParameters": {
                    "recipeUsed": None if recipe is None else recipe.used,
                    "calibration": None if calibration is None else calibration.source,
                    "calibrationImages": None if calibration is None else calibration.images,
                    "machine": {key: value for key, value in asdict(report.machine).items() if key != "load_1min"},
                },
                "resolvedDependencies": [
                    *_described(hashes, _SOURCES),
                    *({"uri": each.url, "name": each.name} for each in installed_packages(*report.versions)),
                ],
            },
            "runDetails": {
                "builder": {"id": f"urn:gdfq-export:{report.tool_version}", "version": dict(report.versions)},
                "metadata": {"finishedOn": (finished or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")},
                "byproducts": _described(hashes, _BYPRODUCTS),
            },
        },
    }
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def _described(hashes: Mapping[str, str], names: tuple[str, ...]) -> list[dict[str, Any]]:
    return [{"name": name, "digest": {"sha256": hashes[name]}} for name in names if name in hashes]
