"""What a manifest says must agree with the files that it was written for: whoever edits one has to edit all.

The quantized file carries seed, target, recipe, version and preprocessing in its metadata, the report carries these
and what was measured, and float.json the preprocessing. A signature (`signature.py`) binds all of them to a key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gdfq_export.errors import InputError
from gdfq_export.frontend.sources.onnx_file import read_onnx
from gdfq_export.qdq.metadata import own_metadata
from gdfq_export.support.files import read_text

_ADVICE = "copy the whole bundle again, or write a new one"
_ABSENT = object()


def require_bound(manifest: Path, facts: Mapping[str, Any]) -> None:
    """Compare the entries of a manifest with the files beside it, whose hashes were checked.

    Args:
        manifest: its path.
        facts: its entries, of manifest version 1 or 2.

    Raises:
        InputError: one differs, names the manifest, the entry and the file.
    """
    _require_equal(manifest, facts, _of_model(manifest.parent / "model.onnx"), "model.onnx")
    if facts["manifest_version"] == 1:
        return
    if "input" in facts:
        _require_equal(manifest, facts, {("input",): _json(manifest.parent / "float.json")}, "float.json")
    if "report.json" in facts.get("measurements", {}):
        _require_equal(manifest, facts, _of_report(_json(manifest.parent / "report.json")), "report.json")


def _of_model(model: Path) -> dict[tuple[str, ...], Any]:
    """What the quantized file says of itself, by the place in a manifest; nothing for a file of another tool."""
    said = own_metadata(read_onnx(model))
    places: dict[tuple[str, ...], Any] = {
        ("tool_version",): said.get("version"),
        ("target",): said.get("target"),
        ("recipe", "name"): said.get("recipe"),
        ("recipe", "sha256"): said.get("recipe_sha256"),
        ("seed",): int(said["seed"]) if said.get("seed", "").isdecimal() else None,
    }
    return {place: value for place, value in places.items() if value is not None}


def _of_report(report: Any) -> dict[tuple[str, ...], Any]:
    """What the report of the run says of it, by the place in a manifest."""
    if not isinstance(report, dict):
        return {}
    files, recipe = report.get("files") or {}, report.get("recipe")
    parity, runtime = report.get("parity"), report.get("runtime")
    return {
        **({("computing",): report["computing"]} if "computing" in report else {}),
        ("tool_version",): report.get("tool_version"),
        ("source",): report.get("source"),
        ("seed",): report.get("seed"),
        ("recipe",): None if recipe is None else {key: recipe.get(key) for key in ("name", "sha256", "used")},
        ("verified_in",): None if runtime is None else runtime.get("measured_in"),
        ("parity",): None if parity is None else parity.get("exact"),
        ("versions",): report.get("versions"),
        ("files", "model.onnx", "sha256"): files.get("quantized", {}).get("sha256"),
        ("files", "float.onnx", "sha256"): files.get("float_network", {}).get("sha256"),
    }


def _require_equal(
    manifest: Path, facts: Mapping[str, Any], expected: Mapping[tuple[str, ...], Any], name: str
) -> None:
    for place, value in expected.items():
        stated: Any = facts
        for key in place:
            stated = stated.get(key, _ABSENT) if isinstance(stated, dict) else _ABSENT
        if stated != value or type(stated) is not type(value):
            said = "nothing" if stated is _ABSENT else _short(stated)
            raise InputError(
                f"{manifest} states {said} as {'.'.join(place)}, where {name} beside it says {_short(value)}; {_ADVICE}"
            )


def _json(path: Path) -> Any:
    try:
        return json.loads(read_text(path, str(path), _ADVICE))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON or is cut short ({error}); {_ADVICE}") from error


def _short(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return text if len(text) <= 80 else f"{text[:77]}..."
