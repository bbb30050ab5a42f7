"""What every test relies on: where the evaluation data lies, what needs a GPU, and how long a property may take."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import hypothesis
import pytest
import torch

import gdfq_export  # noqa: F401  # turns telemetry off, before a test imports onnxruntime
from gdfq_export.errors import BackendUnavailable
from gdfq_export.runtimes.emulation import Emulator

SLOW = [hypothesis.HealthCheck.too_slow]
hypothesis.settings.register_profile("shared-machine", deadline=None, suppress_health_check=SLOW)
hypothesis.settings.load_profile("shared-machine")
torch.set_num_threads(1)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for what it runs in the background
for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)


@pytest.fixture(scope="session")
def evaluation_data() -> Path:
    """The folder of real networks and images that GDFQ_EXPORT_DATA names; skips where there is none."""
    folder = os.environ.get("GDFQ_EXPORT_DATA")
    if not folder:
        pytest.skip("GDFQ_EXPORT_DATA is not set: the evaluation networks and images are not on this machine")
    return Path(folder)


@pytest.fixture(scope="session")
def emulator() -> Emulator:
    """ONNX Runtime on other CPUs, one process each for all tests; skips where it is not installed."""
    try:
        return Emulator.require()
    except BackendUnavailable as error:
        pytest.skip(str(error))


LONGEST_ID = 300


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("markexpr") != "signals":  # a worker that ran a thousand other tests does not survive them
        items[:] = [item for item in items if not item.get_closest_marker("signals")]
    for item in items:
        if len(item.name) > LONGEST_ID:  # the text of an object, in which the order of a set may differ by process
            raise pytest.UsageError(f"{item.nodeid[:LONGEST_ID]}...: give its parameters ids")
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="needs an NVIDIA GPU"))
