"""Where float networks come from: files, exported programs, Python callables, model zoos and the embedded demo."""

from __future__ import annotations

from gdfq_export.frontend.sources.load import load_model

__all__ = ["load_model"]
