"""Parity: does the file compute, in the runtime, exactly the integers that were simulated?

Every tensor the simulation names becomes an extra output of a copy of the file, and is compared element by element,
bit for bit. Because an extra output could change what the runtime fuses, the file itself runs beside the copy and
must return the same outputs. Memory holds one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx

from gdfq_export.errors import InternalError
from gdfq_export.runtimes.base import Array, Backend, Images
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from gdfq_export.support.progress import Phase

__all__ = ["Expected", "ParityResult", "TensorParity", "parity", "quantized_activations"]

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
class ParityResult:
    """`exact`: every quantized tensor and every output was compared and is equal to the bit.

    `tensors` are in graph order, the outputs among them; `unchecked` are quantized activations the simulation did not
    name; `outputs_changed_by_extra_outputs` counts output values that differ between the file and its copy with extra
    outputs.
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


def parity(
    model: onnx.ModelProto,
    expected: Expected,
    images: Images,
    batch: int,
    *,
    source: str = "unnamed images",
    backend: Backend | None = None,
    on_step: Phase | None = None,
) -> ParityResult:
    """Compare `model` in the runtime, on one thread, with `expected`, on images `[N, C, H, W]`, N >= 1.

    Raises:
        InternalError: the simulation names a tensor the file does not compute, or one of another shape or type.
        InputError: the runtime does not accept the file.
    """
    backend = backend or OnnxRuntime()
    file = model.SerializeToString()
    plain = backend.load(file, 1)
    outputs = plain.output_names
    first = expected(images[:batch])
    names = _in_graph_order(model, first)
    tapped = backend.load(file, 1, taps=names)

    counts = {name: _Count() for name in names}
    changed = 0
    for start in range(0, len(images), batch):
        part = images[start : start + batch]
        simulated = first if start == 0 else expected(part)
        executed = tapped.run_tensors(part, names)
        for name in names:
            counts[name].add(name, simulated[name], executed[name])
        untapped = plain.run_tensors(part, outputs)
        changed += sum(_differing_bits(untapped[name], executed[name]) for name in outputs)
        if on_step is not None:
            on_step(
                start + len(part), len(images), {"differing": float(sum(count.differing for count in counts.values()))}
            )

    tensors = tuple(
        TensorParity(name=name, elements=count.elements, differing=count.differing, max_step=count.max_step)
        for name, count in counts.items()
    )
    differing = sum(tensor.differing for tensor in tensors)
    unchecked = tuple(name for name in quantized_activations(model) if name not in counts)
    return ParityResult(
        exact=not (differing or unchecked or changed),
        images=len(images),
        source=source,
        tensors=tensors,
        elements=sum(tensor.elements for tensor in tensors),
        differing=differing,
        outputs_differing=sum(counts[name].differing for name in outputs),
        first_differing=next((tensor.name for tensor in tensors if tensor.differing), None),
        unchecked=unchecked,
        outputs_changed_by_extra_outputs=changed,
    )


def quantized_activations(model: onnx.ModelProto) -> tuple[str, ...]:
    """Inputs of DequantizeLinear that come, perhaps through a Clip, from a QuantizeLinear of no constant.

    In graph order; of equal QuantizeLinear nodes the first, since runtimes make one of them.
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    producers: dict[str, onnx.NodeProto] = {}
    equal: dict[tuple[str, ...], str] = {}
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear" and equal.setdefault(tuple(node.input), node.output[0]) != node.output[0]:
            continue
        producers.update((output, node) for output in node.output)

    def comes_from_quantize(name: str) -> bool:
        while (node := producers.get(name)) is not None and node.input:
            if node.op_type == "QuantizeLinear":
                return node.input[0] not in constants
            name = node.input[0]
        return False

    dequantized = (node.input[0] for node in model.graph.node if node.op_type == "DequantizeLinear")
    return tuple(dict.fromkeys(name for name in dequantized if comes_from_quantize(name)))


class _Count:
    """Running comparison of one tensor."""

    def __init__(self) -> None:
        self.elements = 0
        self.differing = 0
        self.max_step = 0.0

    def add(self, name: str, simulated: Array, executed: Array) -> None:
        if simulated.shape != executed.shape or simulated.dtype != executed.dtype:
            raise InternalError(
                f"tensor {name!r} is {executed.dtype}{list(executed.shape)} in the runtime and "
                f"{simulated.dtype}{list(simulated.shape)} in the simulation; the simulator and the writer disagree"
            )
        self.elements += executed.size
        if different := _differing_bits(simulated, executed):
            self.differing += different
            wide = np.int64 if np.issubdtype(executed.dtype, np.integer) else np.float64
            self.max_step = max(self.max_step, float(np.abs(simulated.astype(wide) - executed.astype(wide)).max()))


def _in_graph_order(model: onnx.ModelProto, tensors: Mapping[str, Array]) -> list[str]:
    order = [name for node in model.graph.node for name in node.output]
    if strangers := sorted(set(tensors) - set(order)):
        raise InternalError(f"the simulation names {', '.join(strangers)}, which the file does not compute")
    if missing := [output.name for output in model.graph.output if output.name not in tensors]:
        raise InternalError(
            f"the simulation does not return the file's output {missing[0]!r}; parity cannot be shown without it"
        )
    return [name for name in order if name in tensors]


def _differing_bits(a: Array, b: Array) -> int:
    bits = np.dtype(f"u{a.dtype.itemsize}")
    return int(np.count_nonzero(np.ascontiguousarray(a).view(bits) != np.ascontiguousarray(b).view(bits)))
