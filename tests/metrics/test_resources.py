from __future__ import annotations

import numpy as np
import onnx
import pytest

from gdfq_export.errors import InputError
from gdfq_export.metrics import resources
from gdfq_export.metrics.resources import Resources, measure_resources, peak_memory_bytes
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from gdfq_export.support.not_measured import NotMeasured
from tests import tiny_graph

MIB = 1 << 20


def network(columns: int) -> bytes:
    """A MatMul with 64 KiB of weights a column."""
    model: onnx.ModelProto = tiny_graph.model(
        nodes=[("Flatten", ["x"], ["flat"]), ("MatMul", ["flat", "w"], ["y"])],
        inputs={"x": ("batch", 1, 128, 128)},
        outputs=["y"],
        initializers={"w": np.ones((128 * 128, columns), np.float32)},
    )
    return model.SerializeToString()


def test_a_large_file_takes_more_memory_and_longer_to_load() -> None:
    found = measure_resources(OnnxRuntime(), network(1600), network(1), (1, 128, 128), 2)
    assert isinstance(found, Resources)
    assert (found.runtime, found.batch) == ("onnxruntime", 2)
    large, small = found.float_network, found.quantized
    assert large.peak_memory_bytes - small.peak_memory_bytes > 90 * MIB  # its weights alone are 100
    assert 0 < small.peak_memory_bytes < 50 * MIB
    assert large.load_seconds > small.load_seconds > 0


def test_the_process_loads_nothing_but_the_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch alone takes seconds and more memory than most files: its peak would hide theirs."""
    loaded = "print(sum(name in sys.modules for name in ('torch', 'onnx_ir', 'pydantic', 'openvino', 'tensorrt_rtx')))"
    monkeypatch.setattr(resources, "_CHILD", f"{resources._CHILD.rpartition('print')[0]}{loaded}")
    assert peak_memory_bytes("onnxruntime", None, (1, 1, 1, 1)) == 0


def test_a_file_that_does_not_load_is_refused() -> None:
    with pytest.raises(InputError):
        measure_resources(OnnxRuntime(), b"nothing", network(1), (1, 128, 128), 1)


def test_a_process_that_fails_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "_CHILD", "raise MemoryError('no room')")
    found = peak_memory_bytes("onnxruntime", None, (1, 1, 1, 1))
    assert isinstance(found, NotMeasured) and found.reason.endswith("failed: MemoryError: no room")


def test_a_process_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "_CHILD", "import time; time.sleep(60)")
    monkeypatch.setattr(resources, "_SECONDS", 0.2)
    found = peak_memory_bytes("onnxruntime", None, (1, 1, 1, 1))
    assert isinstance(found, NotMeasured) and "more than 0.2 seconds" in found.reason


def test_a_system_that_does_not_tell_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "_CHILD", "print('')")
    found = measure_resources(OnnxRuntime(), network(1), network(1), (1, 128, 128), 1)
    assert found == NotMeasured(reason="this system does not tell a process's peak memory (VmHWM)")
