"""Turns off what other packages record or send about their users.

ONNX Runtime (from 1.32) queues hardware, graph and file names under `~/.cache/Microsoft` and `$TMPDIR/.ses`, and reads
`ORT_DISABLE_TELEMETRY` only while it is imported. OpenVINO sends an event to a web service whenever it is imported,
and none where the package `openvino_telemetry` cannot be imported. The Hugging Face Hub, which timm downloads from,
reads `HF_HUB_DISABLE_TELEMETRY`.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType


def disable_telemetry() -> None:
    """Turn it off for this process and those it starts; a variable that the user has set is left as it is."""
    for name in ("ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY"):
        os.environ.setdefault(name, "1")
    modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]  # None makes the import fail
    modules.setdefault("openvino_telemetry", None)
