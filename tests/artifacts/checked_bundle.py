"""A bundle whose device check runs in this process, and whose manifest is edited."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gdfq_export.artifacts import device_check
from gdfq_export.recipe import Calibration, Data, Recipe, Verify

QUICK = Recipe(
    name="quick",
    data=Data(method="noise"),
    calibration=Calibration(images=16),
    verify=Verify(agreement_images=16, parity_images=8, latency_seconds=0),
)


def check(bundle: Path, *options: str) -> int:
    return device_check.main([str(bundle), "--seconds", "0", *options])


def edit_manifest(bundle: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    """Edit the manifest as somebody would who also computes its hash."""
    path = bundle / "manifest.json"
    facts = json.loads(path.read_text())
    edit(facts)
    facts["manifest_sha256"] = device_check.manifest_sha256(facts)
    path.write_text(json.dumps(facts))


def accept_hash(bundle: Path, name: str = "model.onnx", section: str = "") -> None:
    """Let the manifest state the hash of a file as it is now."""

    def edit(facts: dict[str, Any]) -> None:
        files = (facts[section] if section else facts)["files"]
        files[name]["sha256"] = hashlib.sha256((bundle / name).read_bytes()).hexdigest()

    edit_manifest(bundle, edit)
