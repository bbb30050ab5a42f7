from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from gdfq_export.errors import BackendUnavailable, InputError
from gdfq_export.metrics.parity import parity
from gdfq_export.runtimes.emulation import Emulator
from gdfq_export.runtimes.emulation.session import EmulatedOnnxRuntime
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from tests.jobs.verify.quantized_classifier import classifier, images

MODEL = classifier().quantized().SerializeToString()


@pytest.fixture(scope="module")
def native() -> EmulatedOnnxRuntime:
    """The other process without an emulator."""
    return EmulatedOnnxRuntime(Emulator(Path("none")), "native")


def test_a_session_in_another_process_is_like_one_in_this(native: EmulatedOnnxRuntime) -> None:
    ours, theirs = (each.load(MODEL, 1, taps=["hidden_quantized"]) for each in (OnnxRuntime(), native))
    pictures, names = images(19), ["logits", "hidden_quantized"]
    expected, found = (session.run_tensors(pictures, names) for session in (ours, theirs))
    assert all(np.array_equal(expected[name], found[name]) for name in names)
    assert ours.output_names == theirs.output_names
    assert ours.describe() == theirs.describe() == native.examine(MODEL)


def test_a_file_is_read_from_its_path(native: EmulatedOnnxRuntime, tmp_path: Path) -> None:
    (tmp_path / "q.onnx").write_bytes(MODEL)
    assert native.load(tmp_path / "q.onnx", 1).run(images(1)).shape == (1, 4)


def test_errors_name_the_cpu_and_the_file(native: EmulatedOnnxRuntime) -> None:
    broken = onnx.load_from_string(MODEL)
    broken.graph.node[0].op_type = "Quantise"
    with pytest.raises(InputError, match="ONNX Runtime on native does not load it"):
        native.load(broken.SerializeToString(), 1)
    with pytest.raises(InputError, match="cannot run images of shape"):
        native.load(MODEL, 1).run(images(1)[:, :1])


def test_a_process_that_ends_is_no_fault_of_the_images(tmp_path: Path) -> None:
    runtime = EmulatedOnnxRuntime(Emulator(tmp_path), "native")
    session = runtime.load(MODEL, 1)
    process = runtime._worker._process
    assert process is not None
    process.kill()
    with pytest.raises(BackendUnavailable, match="ONNX Runtime on native ended with signal 9"):
        session.run(images(1))
    with pytest.raises(InputError, match="the process that had loaded this model has ended"):
        session.run(images(1))
    assert runtime.load(MODEL, 1).run(images(1)).shape == (1, 4)


def test_models_are_freed_with_their_sessions(native: EmulatedOnnxRuntime) -> None:
    native.load(MODEL, 1)
    assert len(native._worker._released) >= 1
    native.require()
    assert not native._worker._released


@pytest.mark.parametrize(("cpu", "exact"), [("cortex-a53", True), ("haswell", False)])
def test_parity_on_another_cpu(emulator: Emulator, cpu: str, exact: bool) -> None:
    found = parity(
        classifier().quantized(), classifier().integers, images(2), 2, backend=EmulatedOnnxRuntime(emulator, cpu)
    )
    assert found.exact is exact
    assert (found.differing == 0) is exact
