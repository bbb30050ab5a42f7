"""An earlier report read back from its JSON: the figures that a later one is held against."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gdfq_export.errors import InputError

__all__ = ["VERSIONS", "read_baseline"]

VERSIONS = (1, 2, 3)
"""Schema versions that can be read; version 1 has no resources, version 2 no engines and no clock beside latency."""


class _Above0(float):
    """Marks a number that figures are divided by."""


_PROPORTION = {"count": int, "images": int, "value": float, "low": float, "high": float}
_TOP_K = {
    "float_network": _PROPORTION,
    "quantized": _PROPORTION,
    "drop_pp": float,
    "drop_low_pp": float,
    "drop_high_pp": float,
}
_FILE = {"sha256": str}
_TIMINGS = {"p99_ms": _Above0}
_RESOURCES = {"load_seconds": float, "peak_memory_bytes": int}
_NEEDED: Mapping[str, Any] = {
    "files": {"float_network": _FILE, "quantized": _FILE, "size_ratio": float},
    "accuracy": {"images": int, "source": str, "agreement": _PROPORTION, "top1": _TOP_K},
    "agreement": {"images": int, "source": str, "top1": _PROPORTION},
    "coverage": {"runtime": str, "ratio": float},
    "latency": {
        "batch": int,
        "threads": int,
        "float_network": _TIMINGS,
        "quantized": _TIMINGS,
        "speedup": {"value": _Above0, "low": _Above0, "high": _Above0, "rounds": int},
    },
    "machine": {"cpu": str},
    "resources": {"float_network": _RESOURCES, "quantized": _RESOURCES},
    "reasons": {},
}
_ALWAYS = ("files", "machine", "reasons")
_KINDS: Mapping[type, str] = {int: "a whole number", float: "a number", str: "a text", _Above0: "a number above 0"}


def read_baseline(path: Path) -> Mapping[str, Any]:
    """The report at `path` as JSON data, every part that is held against a later report being there.

    Raises:
        InputError: it cannot be read, is no report of a version that is known, or lacks a part; names file and key.
    """
    try:
        body: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"cannot read the baseline {path}: {error.strerror}; give a report that --json wrote"
        ) from error
    except ValueError as error:
        raise InputError(f"the baseline {path} is no JSON or is cut short ({error}); give a whole report") from error
    version = body.get("schema_version") if isinstance(body, dict) else None
    if version is None:
        raise InputError(f"the baseline {path} is no report of this tool; give one that --json or --report wrote")
    if isinstance(version, bool) or version not in VERSIONS:
        known = f"{', '.join(map(str, VERSIONS[:-1]))} and {VERSIONS[-1]}"
        raise InputError(
            f"the baseline {path} has schema_version {version!r}; this version of the tool reads reports of {known}"
        )
    if version == 1:
        body = {"resources": None, **body}
    for key, needed in _NEEDED.items():
        if key in body and body[key] is None and key not in _ALWAYS:
            continue
        _require(body, key, needed, key, path)
    return dict(body)


def _require(held: Any, key: str, needed: Any, dotted: str, path: Path) -> None:
    """`held[key]` must be there and as `needed` says, with all below it."""
    value = held.get(key)
    if key not in held:
        raise InputError(f"the baseline {path} has no key {dotted}; measure it again with --json")
    if isinstance(needed, Mapping):
        if not isinstance(value, dict):
            raise InputError(
                f"the baseline {path} has {value!r} as {dotted}, which must be a mapping; measure it again"
            )
        for inner, kind in needed.items():
            _require(value, inner, kind, f"{dotted}.{inner}", path)
        return
    accepted = needed if needed in (int, str) else (int, float)
    fits = isinstance(value, accepted) and not isinstance(value, bool)
    if fits and needed is not str:
        fits = math.isfinite(value) and (needed is not _Above0 or value > 0)
    if not fits:
        raise InputError(
            f"the baseline {path} has {value!r} as {dotted}, which must be {_KINDS[needed]}; measure it again"
        )
