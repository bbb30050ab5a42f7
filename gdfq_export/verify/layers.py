"""How much of each quantized tensor is error, layer by layer, and where the error enters.

The float network and the file see the same images. A quantized activation is read as codes, so that reading it changes
nothing of what the runtime fuses, and compared with the float network's tensor of the same name:

    SNR = 10 log10( E[x^2] / E[(x - x_quantized)^2] )    in dB, over all images and elements

Error adds up along the network, so a low figure alone blames nobody: `added` is the error, as a share of the signal's
power, that a tensor has beyond the worst of the tensors it is computed from. The one with most is named, with the cause
where the numbers show one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx
from numpy.typing import NDArray

from gdfq_export.backends.base import Array, Backend, Images
from gdfq_export.errors import InputError
from gdfq_export.progress import Phase
from gdfq_export.verify.activation_codes import ActivationCodes, activation_codes, sources_of
from gdfq_export.verify.not_measured import NotMeasured

__all__ = ["Histogram", "LayerError", "LayerErrors", "measure_layers"]

_BINS = 48
_MOST_DB = 200.0  # of a tensor without any error
_BEYOND = 0.005  # share of values outside the range that is worth a word
_FEW_CODES = 0.25
_WORTH_A_NAME = 0.05  # of the signal's power
_ELEMENTS = 1 << 25  # of all tensors that are held at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """Counts of values in bins of equal width from `low` to `high`; what lies beyond counts in the outer bins."""

    low: float
    high: float
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerError:
    """One tensor that both networks compute; `node` and `op_type` of the file compute it ("" for the input).

    `inputs_snr_db` is the lowest SNR of the quantized tensors it is computed from, `added` the share of error that they
    have not. `low` and `high` bound what the
    codes can say, `seen_low` and `seen_high` what the float network gives; `beyond` is the share of its values outside
    that range, `codes_used` of `codes` appeared. All are None for the network's float output.
    """

    tensor: str
    node: str
    op_type: str
    snr_db: float
    inputs_snr_db: float | None
    added: float
    seen_low: float
    seen_high: float
    low: float | None
    high: float | None
    beyond: float | None
    codes_used: int | None
    codes: int | None
    cause: str
    histogram: Histogram


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerErrors:
    """All layers in graph order; `unmatched` quantized tensors have no counterpart in the float network.

    `worst` is the tensor with the most `added` error, None where none adds a twentieth of the signal's power.
    """

    images: int
    source: str
    layers: tuple[LayerError, ...]
    unmatched: tuple[str, ...]
    worst: str | None


def measure_layers(
    float_model: onnx.ModelProto,
    quantized: onnx.ModelProto,
    images: Images,
    source: str,
    *,
    float_backend: Backend,
    backend: Backend,
    threads: int,
    on_step: Phase | None = None,
) -> LayerErrors | NotMeasured:
    """Run both on `images` `[N, C, H, W]` from `source` and compare what has one name in both.

    Raises:
        InputError: a runtime does not accept its file.
    """
    points = activation_codes(quantized)
    known = {name for node in float_model.graph.node for name in node.output}
    image = float_model.graph.input[0].name
    matched = [point for point in points if point.tensor in known or point.reads_image]
    output, float_output = quantized.graph.output[0].name, float_model.graph.output[0].name
    if not matched:
        return NotMeasured(reason="no quantized tensor of the file has the name of a tensor of the float network")
    codes = [point.codes for point in matched]
    wanted = sorted({image if point.reads_image else point.tensor for point in matched} - {image})
    float_session = float_backend.load(float_model.SerializeToString(), threads, taps=wanted)
    session = backend.load(quantized.SerializeToString(), threads, taps=codes)

    counts = {point.tensor: _Count(point) for point in matched}
    logits = _Count(None)
    start = 0
    while start < len(images):
        part = images[start : start + _batch(images, points, counts)]
        floats = dict(float_session.run_tensors(part, [*wanted, float_output])) | {image: part}
        coded = session.run_tensors(part, [*dict.fromkeys([*codes, output])])
        for point in matched:
            counts[point.tensor].add(floats[image if point.reads_image else point.tensor], coded[point.codes])
        logits.add(floats[float_output], coded[output])
        start += len(part)
        if on_step is not None:
            on_step(start, len(images), {})
    return _assemble(quantized, matched, points, counts, logits, len(images), source)


def _batch(images: Images, points: Sequence[ActivationCodes], counts: Mapping[str, _Count]) -> int:
    """Images whose tensors fit into memory side by side: few at first, then by what was seen."""
    an_image = max((count.per_image for count in counts.values()), default=0) * len(points)
    return max(1, min(32, _ELEMENTS // an_image if an_image else _ELEMENTS // (images[0].size * 64 * len(points))))


def _assemble(
    model: onnx.ModelProto,
    matched: Sequence[ActivationCodes],
    points: Sequence[ActivationCodes],
    counts: Mapping[str, _Count],
    logits: _Count,
    images: int,
    source: str,
) -> LayerErrors:
    sources = sources_of(model, points)
    snr = {name: count.snr_db for name, count in counts.items()}
    output = model.graph.output[0].name
    layers = [
        counts[point.tensor].layer(point.tensor, point.node, point.op_type, _lowest(sources[point.tensor], snr))
        for point in matched
    ]
    if output not in snr:
        maker = next((node for node in model.graph.node if output in node.output), None)
        node, op_type = ("", "") if maker is None else (maker.name or output, maker.op_type)
        layers.append(logits.layer(output, node, op_type, _lowest(sources[output], snr)))
    worst = max(layers, key=lambda layer: layer.added)
    return LayerErrors(
        images=images,
        source=source,
        layers=tuple(replace(layer, cause=_cause(layer)) for layer in layers),
        unmatched=tuple(point.tensor for point in points if point.tensor not in counts),
        worst=worst.tensor if worst.added >= _WORTH_A_NAME else None,
    )


def _lowest(names: Sequence[str], snr: Mapping[str, float]) -> float | None:
    return min((snr[name] for name in names if name in snr), default=None)


def _noise(snr_db: float) -> float:
    """Power of the error by that of the signal."""
    return 10 ** (-snr_db / 10)


def _cause(layer: LayerError) -> str:
    """What the numbers show, as one clause; nothing where they show nothing."""
    if layer.low is None or layer.high is None or layer.beyond is None or not layer.codes or layer.codes_used is None:
        return ""
    if layer.beyond > _BEYOND:
        return (
            f"{100 * layer.beyond:.1f} % of its values lie outside of [{layer.low:.4g}, {layer.high:.4g}], all that "
            f"its codes reach; the float network gives [{layer.seen_low:.4g}, {layer.seen_high:.4g}]"
        )
    if layer.codes_used < _FEW_CODES * layer.codes and layer.codes > 16:
        return f"its values take {layer.codes_used} of {layer.codes} codes: its scale is too large"
    if layer.added >= _WORTH_A_NAME:
        return "its range fits: what it computes, weights or bias, is not what the float network computes"
    return ""


class _Count:
    """Running comparison of one tensor, or of the float output where there is no `point`."""

    def __init__(self, point: ActivationCodes | None) -> None:
        self.point = point
        self.signal = self.error = 0.0
        self.low, self.high = math.inf, -math.inf
        self.beyond = self.elements = self.per_image = 0
        self.seen_codes = np.zeros(256, bool)
        self.edges: tuple[float, float] | None = None
        self.histogram: NDArray[np.int64] = np.zeros(_BINS, np.int64)

    def add(self, floats: Array, found: Array) -> None:
        if floats.shape != found.shape:
            raise InputError(
                f"the tensor {self.point.tensor if self.point else 'of the output'!r} is {list(floats.shape)} in the "
                f"float network and {list(found.shape)} in the file; give the float network the file was made from"
            )
        x = floats.astype(np.float32, copy=False)
        low, high = float(x.min()), float(x.max())
        self.low, self.high = min(self.low, low), max(self.high, high)
        if self.edges is None:
            self.edges = (low, high if high > low else low + 1.0)
        if self.point is not None:
            codes = found.astype(np.int32)
            self.seen_codes |= np.bincount((codes - self.point.storage_low).ravel(), minlength=256).astype(bool)[:256]
            found = self.point.dequantize(codes)
            bounds = self.point.bounds
            half = self.point.step / 2
            self.beyond += int(((x < bounds[0] - half) | (x > bounds[1] + half)).sum())
        difference = x.astype(np.float64) - found
        self.signal += float(np.square(x, dtype=np.float64).sum())
        self.error += float(np.square(difference).sum())
        self.elements += x.size
        self.per_image = x.size // len(x)
        self.histogram += np.histogram(np.clip(x, *self.edges), bins=_BINS, range=self.edges)[0]

    @property
    def snr_db(self) -> float:
        if self.error == 0:
            return _MOST_DB
        return max(-_MOST_DB, min(_MOST_DB, 10 * math.log10(max(self.signal, 1e-30) / self.error)))

    def layer(self, tensor: str, node: str, op_type: str, inputs: float | None) -> LayerError:
        assert self.edges is not None
        point = self.point
        return LayerError(
            tensor=tensor,
            node=node,
            op_type=op_type,
            snr_db=self.snr_db,
            inputs_snr_db=inputs,
            added=max(0.0, _noise(self.snr_db) - (0.0 if inputs is None else _noise(inputs))),
            seen_low=self.low,
            seen_high=self.high,
            low=None if point is None else point.bounds[0],
            high=None if point is None else point.bounds[1],
            beyond=None if point is None else self.beyond / self.elements,
            codes_used=None if point is None else int(self.seen_codes.sum()),
            codes=None if point is None else point.count,
            cause="",
            histogram=Histogram(low=self.edges[0], high=self.edges[1], counts=tuple(map(int, self.histogram))),
        )
