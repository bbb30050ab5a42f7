"""What MODEL may be, checked without importing torch."""

from __future__ import annotations

from pathlib import Path

from gdfq_export.errors import InputError
from gdfq_export.frontend.sources.unsupported_file import describe

FILES = (".onnx", ".pt2")
"""Suffixes of files that are read."""

ACCEPTED = "a path to .onnx or .pt2, package.module:callable, or pytorchcv:NAME, timm:NAME, torchvision:NAME"


def require_model(model: str | Path | None) -> None:
    """Fail unless MODEL is None, a file of a known kind that exists, or a name with a colon.

    Raises:
        InputError: it is none of these; for a file of another kind, what it is and how to export it to ONNX.
    """
    if model is None:
        return
    text, path = str(model), Path(model)
    suffix = path.suffix.lower()
    if suffix in FILES:
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "does not exist"
            raise InputError(f"{path} {what}; give {ACCEPTED}")
    elif ":" not in text or path.exists():
        if not path.exists():
            raise InputError(f"{text} does not exist; give {ACCEPTED}")
        found = describe(path) if path.is_file() else None
        raise InputError(
            found or f"{text} has the suffix {suffix or '(none)'}, which is no known kind of network; give {ACCEPTED}"
        )
