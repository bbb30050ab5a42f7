"""Where float networks come from: files, exported programs, Python callables, model zoos and the embedded demo.

`load_model` is imported when it is first asked for, so that the checks here need no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gdfq_export.frontend.sources.load import load_model


def __getattr__(name: str) -> Any:
    if name == "load_model":
        from gdfq_export.frontend.sources.load import load_model

        return load_model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
