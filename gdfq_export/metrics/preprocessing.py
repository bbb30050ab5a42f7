"""Whether images are prepared as the file expects: as it says itself, or as the range of its input's codes shows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from calib.input_spec import InputSpec
from gdfq_export.metrics.layer_error import LayerErrors
from gdfq_export.support.finding import Consequence, Finding

__all__ = ["preprocessing_findings", "preprocessing_text"]

_BEYOND = 0.1  # of the pixels; calibrated ranges cut off a few per cent, a wrong preprocessing far more
_RULE = "preprocessing"


def preprocessing_text(spec: InputSpec) -> str:
    """(pixel / scale - mean) / std as JSON, as a sidecar has it; a file carries it as metadata."""
    numbers = {"scale": spec.scale, "mean": [*spec.mean], "std": [*spec.std]}
    return json.dumps(numbers, separators=(",", ":"))


def preprocessing_findings(
    used: InputSpec, stated: Mapping[str, Any] | None, layers: LayerErrors | None
) -> tuple[Finding, ...]:
    """Hold the preprocessing in use against what the file states, or else against its input's range of codes."""
    if stated is not None:
        wrong = [
            f"{key} {_short(stated[key])} where {_short(mine)} is used"
            for key, mine in (("scale", used.scale), ("mean", used.mean), ("std", used.std))
            if key in stated and not np.allclose(stated[key], mine, rtol=1e-4, atol=1e-6)
        ]
        return (_finding(f"the file was made for images with {'; '.join(wrong)}"),) if wrong else ()
    image = None if layers is None else next((layer for layer in layers.layers if not layer.op_type), None)
    if image is None or image.beyond is None or image.beyond <= _BEYOND:
        return ()
    return (_finding(image.cause or f"{image.beyond:.1%} of the pixels lie outside of what the input's codes reach"),)


def _short(numbers: Any) -> str:
    return ", ".join(f"{number:.4g}" for number in np.atleast_1d(numbers))


def _finding(what: str) -> Finding:
    return Finding(
        rule=_RULE,
        node="the input",
        consequence=Consequence.WRONG,
        message=f"the input: {what}; give the preprocessing it was made for (--scale, --mean, --std or NAME.json)",
    )
