"""Whether images are preprocessed as the file expects: by its metadata, or by its input's quantization range."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from calib.input_spec import InputSpec
from gdfq_export.metrics.layer_error import LayerError, LayerErrors
from gdfq_export.support.finding import Consequence, Finding

_OUT_OF_RANGE = 0.1  # of the pixels; calibrated ranges clip a few per cent, wrong preprocessing far more
_RULE = "preprocessing"


def preprocessing_text(spec: InputSpec) -> str:
    """(pixel / scale - mean) / std as JSON, the form of the sidecar file and of the file's metadata."""
    by_name = {name: _numbers(each) for name, each in spec.by_name.items()}
    return json.dumps(by_name or _numbers(spec), separators=(",", ":"))


def _numbers(spec: InputSpec) -> dict[str, Any]:
    return {"scale": spec.scale, "mean": [*spec.mean], "std": [*spec.std]}


def preprocessing_findings(
    used: InputSpec, stated: Mapping[str, Any] | None, layers: LayerErrors | None
) -> tuple[Finding, ...]:
    """Compare the preprocessing in use with the file's metadata, or without any with its input's range."""
    if used.by_name:
        inputs = [] if layers is None else [layer for layer in layers.layers if not layer.op_type]
        return tuple(
            finding
            for name, spec in used.by_name.items()
            for finding in _findings(
                spec,
                stated.get(name) if stated is not None else None,
                next((layer for layer in inputs if layer.tensor == name), None),
                f"the input {name}",
            )
        )
    image = None if layers is None else next((layer for layer in layers.layers if not layer.op_type), None)
    return _findings(used, stated, image, "the input")


def _findings(
    used: InputSpec, stated: Mapping[str, Any] | None, image: LayerError | None, node: str
) -> tuple[Finding, ...]:
    if stated is not None:
        wrong = [
            f"{key} {_short(stated[key])} where {_short(mine)} is used"
            for key, mine in (("scale", used.scale), ("mean", used.mean), ("std", used.std))
            if key in stated and not np.allclose(stated[key], mine, rtol=1e-4, atol=1e-6)
        ]
        return (_finding(f"the file was made for images with {'; '.join(wrong)}", node),) if wrong else ()
    if image is None or image.out_of_range_fraction is None or image.out_of_range_fraction <= _OUT_OF_RANGE:
        return ()
    share = f"{image.out_of_range_fraction:.1%} of the pixels lie outside the input's quantization range"
    return (_finding(image.cause or share, node),)


def _short(numbers: Any) -> str:
    return ", ".join(f"{number:.4g}" for number in np.atleast_1d(numbers))


def _finding(what: str, node: str) -> Finding:
    return Finding(
        rule=_RULE,
        node=node,
        consequence=Consequence.WRONG,
        message=f"{node}: {what}; give the preprocessing it was made for (--scale, --mean, --std or NAME.json)",
    )
