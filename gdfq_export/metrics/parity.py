"""Parity: does the file compute, in the runtime, exactly the integers that were simulated?

Every tensor the simulation names becomes an extra output of a copy of the file, and is compared element by element,
bit for bit. Because an extra output could change what the runtime fuses, the file itself runs beside the copy and
must return the same outputs. Memory holds one batch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx

from gdfq_export.errors import InputError, InternalError
from gdfq_export.qdq.reader.activations import activation_codes
from gdfq_export.qdq.reader.model import QdqModel
from gdfq_export.runtimes.base import Array, Backend, Images
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from gdfq_export.support.named_bytes import NamedBytes
from gdfq_export.support.progress import Phase

log = logging.getLogger(__name__)

_LEVEL_IMAGES = 16  # unfused Q/DQ are slow

Expected = Callable[[Images], Mapping[str, Array]]
"""Images `[N, C, H, W]` to every quantized tensor and every output, under their names in the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorParity:
    """One tensor over all images; `max_step` is the largest difference, in integer steps or in an output's unit."""

    name: str
    elements: int
    differing: int
    max_step: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelParity:
    """All tensors at one level of optimisation; `max_step` is the largest difference, as in `TensorParity`."""

    level: str
    exact: bool
    images: int
    elements: int
    differing: int
    max_step: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ParityResult:
    """`exact`: every quantized tensor and every output was compared and is equal to the bit.

    `tensors` are in graph order, the outputs among them; `unchecked` are quantized activations the simulation did not
    name; `outputs_changed_by_extra_outputs` counts output values that differ between the file and its copy with extra
    outputs. All of these are at the runtime's default graph optimisation; `levels` says which of its levels are exact.
    """

    exact: bool
    images: int
    source: str
    tensors: tuple[TensorParity, ...]
    elements: int
    differing: int
    outputs_differing: int
    first_differing: str | None
    unchecked: tuple[str, ...]
    outputs_changed_by_extra_outputs: int
    levels: tuple[LevelParity, ...] = ()


def parity_by_level(
    file: onnx.ModelProto | QdqModel, expected: Expected, images: Images, backend: Backend
) -> tuple[LevelParity, ...]:
    """Compare a file with `expected` at each level of ONNX Runtime's graph optimisation, on 16 of `images`.

    Below the level at which Q/DQ are fused it computes in float, and rounds otherwise. A level at which it does not
    take the file is left out. Other runtimes have no levels.
    """
    levels = backend.levels if isinstance(backend, OnnxRuntime) else {}
    images = images[:_LEVEL_IMAGES]
    simulated = expected(images) if levels else {}
    found = []
    for name, each in levels.items():
        try:
            result = parity(file, lambda _: simulated, images, len(images), backend=each)
        except (InputError, InternalError) as error:
            log.info("parity at the optimisation level %s was not measured: %s", name, error)
            continue
        found.append(
            LevelParity(
                level=name,
                exact=result.exact,
                images=result.images,
                elements=result.elements,
                differing=result.differing,
                max_step=max((tensor.max_step for tensor in result.tensors), default=0.0),
            )
        )
    return tuple(found)


def parity(
    file: onnx.ModelProto | QdqModel,
    expected: Expected,
    images: Images,
    batch: int,
    *,
    source: str = "unnamed images",
    backend: Backend | None = None,
    on_step: Phase | None = None,
) -> ParityResult:
    """Compare a file in the runtime, on one thread, with `expected`, on images `[N, C, H, W]`, N >= 1.

    Raises:
        InternalError: the simulation names a tensor the file does not compute, or one of another shape or type.
        InputError: the runtime does not accept the file.
    """
    backend, model = backend or OnnxRuntime(), QdqModel.of(file, check=False)
    serialized = NamedBytes(model.proto.SerializeToString(), "the quantized file")
    plain = backend.load(serialized, 1)
    outputs = sorted({*plain.output_names} - _stored(model.proto))
    first = expected(images[:batch])
    names = _in_graph_order(model.proto, first)
    tapped = backend.load(serialized, 1, taps=names)

    counts = {name: _Count() for name in names}
    changed = 0
    for start in range(0, len(images), batch):
        part = images[start : start + batch]
        simulated = first if start == 0 else expected(part)
        executed = tapped.run_tensors(part, names)
        for name, count in counts.items():
            count.add(name, simulated[name], executed[name])
        changed += _differing_tensors(plain.run_tensors(part, outputs), executed)
        if on_step is not None:
            on_step(start + len(part), len(images), {"differing": _differing(counts)})

    tensors = tuple(count.result(name) for name, count in counts.items())
    differing = int(_differing(counts))
    unchecked = tuple(name for name in activation_codes(model) if name not in counts)
    return ParityResult(
        exact=not (differing or unchecked or changed),
        images=len(images),
        source=source,
        tensors=tensors,
        elements=sum(tensor.elements for tensor in tensors),
        differing=differing,
        outputs_differing=sum(counts[name].differing for name in outputs),
        first_differing=_first_differing(tensors),
        unchecked=unchecked,
        outputs_changed_by_extra_outputs=changed,
    )


def _differing_tensors(untapped: Mapping[str, Array], executed: Mapping[str, Array]) -> int:
    return sum(differing_bits(array, executed[name]) for name, array in untapped.items())


def _differing(counts: Mapping[str, _Count]) -> float:
    return float(sum(count.differing for count in counts.values()))


def _first_differing(tensors: tuple[TensorParity, ...]) -> str | None:
    return next((tensor.name for tensor in tensors if tensor.differing), None)


class _Count:
    """Running comparison of one tensor."""

    def __init__(self) -> None:
        self.elements = 0
        self.differing = 0
        self.max_step = 0.0

    def result(self, name: str) -> TensorParity:
        return TensorParity(name=name, elements=self.elements, differing=self.differing, max_step=self.max_step)

    def add(self, name: str, simulated: Array, executed: Array) -> None:
        if simulated.shape != executed.shape or simulated.dtype != executed.dtype:
            raise InternalError(
                f"tensor {name!r} is {executed.dtype}{list(executed.shape)} in the runtime and "
                f"{simulated.dtype}{list(simulated.shape)} in the simulation; the simulator and the writer disagree"
            )
        self.elements += executed.size
        if different := differing_bits(simulated, executed):
            self.differing += different
            wide = np.int64 if np.issubdtype(executed.dtype, np.integer) else np.float64
            self.max_step = max(self.max_step, float(np.abs(simulated.astype(wide) - executed.astype(wide)).max()))


def _stored(model: onnx.ModelProto) -> set[str]:
    """Names of initializers, which may be outputs that no node computes."""
    return {tensor.name for tensor in model.graph.initializer}


def _in_graph_order(model: onnx.ModelProto, tensors: Mapping[str, Array]) -> list[str]:
    order = [name for node in model.graph.node for name in node.output]
    if strangers := sorted(set(tensors) - set(order) - _stored(model)):
        raise InternalError(f"the simulation names {', '.join(strangers)}, which the file does not compute")
    if missing := [output.name for output in model.graph.output if output.name not in tensors]:
        raise InternalError(
            f"the simulation does not return the file's output {missing[0]!r}; parity cannot be shown without it"
        )
    return [name for name in order if name in tensors]


def differing_bits(a: Array, b: Array) -> int:
    """How many elements of two arrays of one shape and type are not equal to the bit."""
    bits = np.dtype(f"u{a.dtype.itemsize}")
    return int(np.count_nonzero(np.ascontiguousarray(a).view(bits) != np.ascontiguousarray(b).view(bits)))
