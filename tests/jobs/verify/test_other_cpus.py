"""A file on other CPUs: which are refused, what is compared, and what is said of those that differ."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from gdfq_export.errors import BackendUnavailable, InputError
from gdfq_export.jobs.network_file import NetworkFile
from gdfq_export.jobs.verify.measure import EvaluationImages, MeasureRequest, Simulation, Timing, measure
from gdfq_export.jobs.verify.other_cpus import OtherCpus, differing_warnings, figures_by_cpu, other_cpus
from gdfq_export.jobs.verify.subject import Subject
from gdfq_export.metrics.parity import ParityResult
from gdfq_export.report.cpu_figures import CpuFigures, NativeComparison
from gdfq_export.runtimes.choose import Measuring
from gdfq_export.runtimes.emulation import Emulator
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.progress import SilentProgress
from gdfq_export.targets import find_target
from gdfq_export.tasks.classification.task import Classification
from gdfq_export.tasks.registry import FoundTask
from tests.jobs.verify.quantized_classifier import classifier, images
from tests.runtimes.emulation.same_machine import SameMachine

PROTO = classifier().quantized()
SUBJECT = Subject(name="q.onnx", target=find_target("ort-cpu"), proto=PROTO)


def on_cpus(*names: str, emulator: Emulator | None, simulated: bool = True) -> tuple[CpuFigures, ...]:
    """`q.onnx` on these CPUs, four images each."""
    network, pictures, runtime = classifier(), images(12), OnnxRuntime()
    exact = Simulation(run=network.integers, exact=True, images=pictures, source="noise")
    request = MeasureRequest(
        found_task=FoundTask(task=Classification(classes=4, compared=("logits",)), reason="asked for"),
        float_network=NetworkFile.of(network.float_network(), "float.onnx"),
        quantized=NetworkFile.of(PROTO, "q.onnx"),
        evaluation=EvaluationImages(images=pictures, source="noise"),
        measuring=Measuring(target_backend=runtime, measured_on=runtime),
        simulation=exact if simulated else NotMeasured(reason="the node Softmax has no simulation"),
        timing=Timing(seconds=0),
    )
    measured, progress = measure(request, SilentProgress()), SilentProgress()
    figures = figures_by_cpu(
        request, measured, OtherCpus(names=names, images=4, seconds=60, emulator=emulator), progress
    )
    assert [*progress.seconds] == [name for name in names if name != "native"]
    return figures


def chosen(names: list[str], subject: Subject) -> OtherCpus:
    return other_cpus(names, subject, images=8, seconds=60)


def test_a_cpu_is_compared_with_the_simulation_float_and_this_machine() -> None:
    first, native = on_cpus("cortex-a53", "native", emulator=SameMachine())
    assert (first.cpu, first.emulated, first.images, first.source) == ("cortex-a53", True, 4, "noise")
    assert isinstance(first.parity, ParityResult)
    assert (first.parity.exact, first.parity.images) == (True, 4)
    assert first.agreement.top1.count == first.agreement.images == 4
    assert isinstance(first.native, NativeComparison)
    assert (first.native.values, first.native.differing) == (16, 0)
    assert isinstance(first.native.integers, NotMeasured)
    assert first.native.agreement.top1.value == 1.0
    assert first.coverage.ratio == 1.0
    assert first.latency == NotMeasured(reason="emulated")
    assert (native.emulated, native.images, native.parity.images) == (False, 12, 12)
    assert differing_warnings((first, native)) == []


def test_the_native_cpu_alone_starts_nothing() -> None:
    (native,) = on_cpus("native", emulator=None)
    assert native.parity.exact and isinstance(native.native, NotMeasured)


def test_a_file_without_a_simulation_is_compared_with_this_machine() -> None:
    (found,) = on_cpus("cortex-a53", emulator=SameMachine(), simulated=False)
    assert found.parity == NotMeasured(reason="the node Softmax has no simulation")
    assert found.native.differing == 0
    assert (found.native.integers.exact, found.native.integers.images) == (True, 4)
    assert found.native.integers.tensors[-1].name == "logits"
    other = dataclasses.replace(found, native=dataclasses.replace(found.native, differing=3))
    (said,) = differing_warnings((other,))
    assert "cortex-a53 computes 3 of 16 output values otherwise than on this machine; trust the figures of" in said


def test_a_cpu_that_computes_other_integers_is_warned_of() -> None:
    (found,) = on_cpus("cortex-a53", emulator=SameMachine())
    wrong = dataclasses.replace(found.parity, exact=False, differing=1234, first_differing="hidden")
    (said,) = differing_warnings((dataclasses.replace(found, parity=wrong),))
    assert "cortex-a53 computes 1,234 of" in said and "otherwise than simulated, first in hidden; trust" in said


def test_names_are_checked_and_each_is_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Emulator, "require", staticmethod(SameMachine))
    assert chosen(["haswell", "native", "haswell"], SUBJECT).names == ("haswell", "native")
    with pytest.raises(InputError, match="there is no CPU z80"):
        chosen(["z80"], SUBJECT)


def test_a_file_of_another_runtime_is_refused() -> None:
    subject = dataclasses.replace(SUBJECT, target=find_target("openvino"))
    with pytest.raises(InputError, match=r"q\.onnx is for the runtime openvino, .* leave out --cpu"):
        chosen(["cortex-a53"], subject)


def test_the_emulator_is_asked_for_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GDFQ_EXPORT_EMULATOR", str(tmp_path))
    assert chosen(["native"], SUBJECT).emulator is None
    with pytest.raises(BackendUnavailable, match="gdfq-export emulator install"):
        chosen(["cortex-a53"], SUBJECT)


def test_a_cpu_without_vnni_and_one_of_arm(emulator: Emulator) -> None:
    arm, old = on_cpus("cortex-a53", "haswell", emulator=emulator)
    assert arm.parity.exact and arm.native.differing == 0
    assert not old.parity.exact and old.native.differing > 0
    (old,) = on_cpus("haswell", emulator=emulator, simulated=False)
    assert 0 < old.native.integers.differing < old.native.integers.elements
    assert np.isfinite(old.native.task.outputs[0].snr_db)
