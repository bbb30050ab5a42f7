"""Run a file in ONNX Runtime on other CPUs, and compare it with its simulation, the float network and this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from gdfq_export.errors import InputError
from gdfq_export.jobs.verify.measure import MeasureRequest, Verification
from gdfq_export.jobs.verify.subject import Subject
from gdfq_export.jobs.verify.task_figures import class_agreement, task_figures
from gdfq_export.metrics.coverage import measure_coverage
from gdfq_export.metrics.parity import ParityResult, differing_bits, parity
from gdfq_export.qdq.reader.activations import activation_codes
from gdfq_export.report.cpu_figures import CpuFigures, NativeComparison
from gdfq_export.runtimes.base import Images
from gdfq_export.runtimes.emulation import NATIVE, Emulator, find_cpu
from gdfq_export.runtimes.emulation.session import EmulatedOnnxRuntime
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from gdfq_export.support.batch_size import batch_size
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.progress import Phase, Progress
from gdfq_export.support.text import counted
from gdfq_export.tasks.figures import ComparedOutputs
from gdfq_export.tasks.outputs import OutputArrays

T = TypeVar("T")

_BATCH = 8  # at most, whose tensors are one message of the other process
_EMULATED = NotMeasured(reason="emulated")
_SIMULATED: ParityResult | NotMeasured = NotMeasured(reason="every integer is compared with the simulated one")
_NATIVE = NotMeasured(reason="this is the machine's own CPU")


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherCpus:
    """The CPUs to verify a file on, how many images each of them runs, and seconds that it may take for a batch.

    `emulator` runs those that are not this machine's.
    """

    names: tuple[str, ...]
    images: int
    seconds: float
    emulator: Emulator | None


def other_cpus(names: Sequence[str], subject: Subject, *, images: int, seconds: float) -> OtherCpus:
    """Check, before any work, that `subject` can run on the CPUs of these names.

    Raises:
        InputError: there is no such CPU, or the file is for another runtime than ONNX Runtime.
        BackendUnavailable: the emulator is not installed.
    """
    unique = tuple(find_cpu(name).name for name in dict.fromkeys(names))
    if subject.proto is None or subject.target.backend != OnnxRuntime().name:
        raise InputError(
            f"{subject.name} is for the runtime {subject.target.backend}, and --cpu runs ONNX files in ONNX Runtime; "
            "leave out --cpu, or verify an ONNX file with --backend ort"
        )
    emulated = any(name != NATIVE for name in unique)
    return OtherCpus(names=unique, images=images, seconds=seconds, emulator=Emulator.require() if emulated else None)


def figures_by_cpu(
    request: MeasureRequest, measured: Verification, cpus: OtherCpus, progress: Progress
) -> tuple[CpuFigures, ...]:
    """The figures on each CPU, in the order of their names; those of this machine are the ones that were measured.

    Raises:
        InputError: ONNX Runtime does not accept the file on a CPU.
        BackendUnavailable: an emulated process ended, or did not answer in time.
    """
    reference = None if cpus.emulator is None else _Reference.of(request, cpus.images)
    found = []
    for name in cpus.names:
        if name == NATIVE or cpus.emulator is None or reference is None:
            found.append(_native(measured))
            continue
        with progress.phase(name) as report:
            runtime = EmulatedOnnxRuntime(cpus.emulator, name, cpus.seconds)
            found.append(_emulated(name, request, reference, runtime, report))
    return tuple(found)


def differing_warnings(figures: tuple[CpuFigures, ...]) -> list[str]:
    """A sentence for each emulated CPU that computes other integers than simulated, or other outputs than this one."""
    said = []
    for each in figures:
        if not each.emulated:
            continue
        same, native = each.parity, each.native
        if isinstance(same, ParityResult) and not same.exact:
            said.append(
                f"ONNX Runtime on {each.cpu} computes {same.differing:,} of {same.elements:,} integers otherwise than "
                f"simulated, first in {same.first_differing}; trust the figures of that CPU"
            )
        elif isinstance(native, NativeComparison) and native.differing:
            said.append(
                f"ONNX Runtime on {each.cpu} computes {native.differing:,} of {counted(native.values, 'output value')} "
                "otherwise than on this machine; trust the figures of that CPU"
            )
    return said


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reference:
    """The images, and what both networks return for them on this machine."""

    images: Images
    float_network: OutputArrays
    quantized: OutputArrays

    @classmethod
    def of(cls, request: MeasureRequest, count: int) -> _Reference:
        images, runtime = request.evaluation.images[:count], OnnxRuntime()
        outputs = [runtime.load(file.data, 1).run_all(images) for file in (request.float_network, request.quantized)]
        return cls(images=images, float_network=outputs[0], quantized=outputs[1])


def _native(measured: Verification) -> CpuFigures:
    cpu = find_cpu(NATIVE)
    return CpuFigures(
        cpu=cpu.name,
        description=cpu.description,
        emulated=False,
        images=measured.task.images,
        source=measured.task.source,
        parity=measured.parity,
        agreement=measured.agreement,
        task=measured.task,
        native=_NATIVE,
        coverage=measured.coverage,
        latency=measured.latency,
    )


def _emulated(
    name: str, request: MeasureRequest, reference: _Reference, runtime: EmulatedOnnxRuntime, report: Phase
) -> CpuFigures:
    images, file = reference.images, request.quantized
    batch = min(_BATCH, batch_size(images.shape[1:]))
    session = runtime.load(file.data, 1, batch=batch)
    outputs = session.run_all(images)
    floats, native = (
        ComparedOutputs(
            images=len(images),
            names=session.output_names,
            float_network=wanted,
            quantized=outputs,
            source=request.evaluation.source,
        )
        for wanted in (reference.float_network, reference.quantized)
    )
    found = request.found_task
    same = _parity(request, len(images), batch, runtime, report)
    integers = _SIMULATED
    if isinstance(same, NotMeasured):
        integers = _or_reason(lambda: _as_native(request, images, batch, runtime, report))
    return CpuFigures(
        cpu=name,
        description=find_cpu(name).description,
        emulated=True,
        images=len(images),
        source=request.evaluation.source,
        parity=same,
        agreement=_or_reason(lambda: class_agreement(found.task, floats)),
        task=_or_reason(lambda: task_figures(found, floats)),
        native=_or_reason(
            lambda: NativeComparison(
                task=task_figures(found, native),
                agreement=class_agreement(found.task, native),
                values=sum(output.size for output in outputs),
                differing=sum(map(differing_bits, reference.quantized, outputs)),
                integers=integers,
            )
        ),
        coverage=measure_coverage(session.describe()),
        latency=_EMULATED,
    )


def _parity(
    request: MeasureRequest, count: int, batch: int, runtime: EmulatedOnnxRuntime, report: Phase
) -> ParityResult | NotMeasured:
    simulation, file = request.simulation, request.quantized.qdq
    if isinstance(simulation, NotMeasured):
        return simulation
    if file is None or not simulation.exact:
        return NotMeasured(reason="this file has no exact simulation to compare with")
    images, source = simulation.images[:count], simulation.source
    return parity(file, simulation.run, images, batch, source=source, backend=runtime, on_step=report)


def _as_native(
    request: MeasureRequest, images: Images, batch: int, runtime: EmulatedOnnxRuntime, report: Phase
) -> ParityResult:
    """Every quantized tensor and every output beside this machine's."""
    file = request.quantized.qdq
    assert file is not None
    computed = {name for node in file.proto.graph.node for name in node.output}
    outputs = [output.name for output in file.proto.graph.output]
    names = [name for name in dict.fromkeys((*activation_codes(file), *outputs)) if name in computed]
    native = OnnxRuntime().load(request.quantized.data, 1, taps=names)
    return parity(
        file,
        lambda part: native.run_tensors(part, names),
        images,
        batch,
        source=request.evaluation.source,
        backend=runtime,
        on_step=report,
    )


def _or_reason(compute: Callable[[], T]) -> T | NotMeasured:
    """What is computed, or why outputs of two CPUs cannot be compared: other shapes, NaN."""
    try:
        return compute()
    except InputError as error:
        return NotMeasured(reason=str(error))
