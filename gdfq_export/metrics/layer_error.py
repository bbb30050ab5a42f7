"""How much of each quantized tensor is error, layer by layer, and where the error enters.

The float network and the file see the same images. A quantized activation is read as codes, so that reading it changes
nothing of what the runtime fuses, and compared with the float network's tensor of the same name:

    SNR = 10 log10( E[x^2] / E[(x - x_quantized)^2] )    in dB, over all images and elements

Equalization scales the channels between two layers, and the second makes up for it. Where channels brought to scale fit
better and the error is gone in what reads the tensor, the tensor is called scaled, and its SNR is that of the channels
brought to scale.

Error adds up along the network and may grow on its way, so a low figure alone blames nobody: `added` is the error, as a
share of the signal's power, that a tensor has beyond the worst of the tensors it is computed from. Of the tensors that
add much, the one is named whose SNR falls furthest below theirs, with the cause where the numbers show one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import onnx

from gdfq_export.errors import InputError
from gdfq_export.metrics.histogram import Histogram
from gdfq_export.metrics.tensor_error import TensorError
from gdfq_export.qdq.reader.activations import ActivationCodes, activation_codes, sources_of
from gdfq_export.runtimes.base import Backend, Images
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.progress import Phase
from gdfq_export.support.text import counted

__all__ = ["Histogram", "LayerError", "LayerErrors", "measure_layers"]

_BEYOND = 0.005  # share of values outside the range that is worth a word
_FEW_CODES = 0.25
_FEWEST_CODES = 16  # so few are always used
_WORTH_A_NAME = 0.05  # of the signal's power
_CLEAN_DB = 60.0  # of what is computed from no quantized tensor
_SCALED_DB = 3.0  # at least so much better with channels brought to scale
_ELEMENTS = 1 << 25  # of all tensors that are held at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerError:
    """One tensor that both networks compute; `node` and `op_type` of the file compute it ("" for the input).

    `inputs_snr_db` is the lowest SNR of the quantized tensors it is computed from, `added` the share of error that they
    have not. `seen_low` and `seen_high` bound what the float network gives, `low` and `high` what the codes can say;
    `beyond` is the share of the float network's values outside of that, `codes_used` of `codes` appeared: None for the
    network's float outputs. `scaled` says that channels have other scales than the float network's, which what reads
    them makes up for; values cannot be held against such a range, and `beyond` is None.
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
    scaled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerErrors:
    """All layers in graph order; `unmatched` quantized tensors have no counterpart in the float network.

    `worst` is the tensor that most error enters by, None where none adds a twentieth of the signal's power.
    """

    images: int
    source: str
    layers: tuple[LayerError, ...]
    unmatched: tuple[str, ...]
    worst: str | None

    @property
    def worst_layer(self) -> LayerError | None:
        """The layer of the tensor `worst`."""
        return next((layer for layer in self.layers if layer.tensor == self.worst), None)


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
    image = float_model.graph.input[0].name
    known = {name for node in float_model.graph.node for name in node.output}
    points = activation_codes(quantized, known | {node.name for node in quantized.graph.input})
    matched = {point: image if point.reads_image else point.tensor for point in points}
    matched = {point: name for point, name in matched.items() if name in known or point.reads_image}
    outputs = _paired_outputs(quantized, float_model)
    wanted = sorted({*matched.values()} - {image})
    float_session = float_backend.load(float_model.SerializeToString(), threads, taps=wanted)
    session = backend.load(quantized.SerializeToString(), threads, taps=[point.codes for point in matched])

    errors = {point: TensorError(point) for point in matched}
    output_errors = {name: TensorError(None) for name in outputs}
    start = 0
    while start < len(images):
        part = images[start : start + _batch(images, errors)]
        floats = dict(float_session.run_tensors(part, [*wanted, *outputs.values()])) | {image: part}
        coded = session.run_tensors(part, [*dict.fromkeys([*(point.codes for point in errors), *outputs])])
        for output, float_output in outputs.items():
            wanted_shape, shape = list(floats[float_output].shape), list(coded[output].shape)
            if wanted_shape != shape:
                raise InputError(
                    f"the float network returns {wanted_shape} and the file {shape}; "
                    "give the float network that the file was made from"
                )
            output_errors[output].add(floats[float_output], coded[output])
        for point in [*errors]:
            if floats[matched[point]].shape == coded[point.codes].shape:
                errors[point].add(floats[matched[point]], coded[point.codes])
            else:  # a name that means another tensor in the float network
                del errors[point]
        start += len(part)
        if on_step is not None:
            on_step(start, len(images), {})
    if not errors:
        return NotMeasured(reason="no quantized tensor of the file has the name of a tensor of the float network")
    unmatched = tuple(point.tensor for point in points if point not in errors)
    layers = _layers(quantized, errors, output_errors)
    worst = _worst(layers)
    return LayerErrors(
        images=len(images),
        source=source,
        layers=layers,
        unmatched=unmatched,
        worst=None if worst is None else worst.tensor,
    )


def _paired_outputs(quantized: onnx.ModelProto, float_model: onnx.ModelProto) -> dict[str, str]:
    """The float network's output by the file's, in order: names may differ."""
    return {own.name: other.name for own, other in zip(quantized.graph.output, float_model.graph.output, strict=False)}


def _worst(layers: Sequence[LayerError]) -> LayerError | None:
    """Of those that add much, the one that falls furthest below what it is computed from."""
    adding = [layer for layer in layers if layer.added >= _WORTH_A_NAME]
    return max(adding, key=lambda layer: (layer.inputs_snr_db or _CLEAN_DB) - layer.snr_db, default=None)


def _batch(images: Images, errors: Mapping[ActivationCodes, TensorError]) -> int:
    """Images whose tensors fit into memory side by side: few at first, then by what was seen."""
    an_image = max((error.per_image for error in errors.values()), default=0) * len(errors)
    return max(1, min(32, _ELEMENTS // (an_image or images[0].size * 64 * max(1, len(errors)))))


def _layers(
    model: onnx.ModelProto, errors: Mapping[ActivationCodes, TensorError], outputs: Mapping[str, TensorError]
) -> tuple[LayerError, ...]:
    """Every tensor beside those it is computed from, float outputs last."""
    sources = sources_of(model, [*errors])
    found = {point.tensor: error for point, error in errors.items()}
    found |= {name: error for name, error in outputs.items() if name not in found}
    scaled = _scaled(sources, found)
    snr = {name: error.rescaled_snr_db if name in scaled else error.snr_db for name, error in found.items()}
    makers = {output: node for node in model.graph.node for output in node.output}
    layers = []
    for name, error in found.items():
        point = error.point
        inputs = min((snr[source] for source in sources[name]), default=None)
        node, op_type = (point.node, point.op_type) if point is not None else _title(makers.get(name))
        layer = LayerError(
            tensor=name,
            node=node,
            op_type=op_type,
            snr_db=snr[name],
            inputs_snr_db=inputs,
            added=max(0.0, _noise(snr[name]) - (0.0 if inputs is None else _noise(inputs))),
            seen_low=error.low,
            seen_high=error.high,
            low=None if point is None else point.bounds[0],
            high=None if point is None else point.bounds[1],
            beyond=None if point is None or name in scaled else error.beyond / error.elements,
            codes_used=None if point is None else error.codes_used,
            codes=None if point is None else point.count,
            cause="",
            histogram=error.histogram,
            scaled=name in scaled,
        )
        layers.append(replace(layer, cause=_cause(layer, error)))
    return tuple(layers)


def _scaled(sources: Mapping[str, Sequence[str]], found: Mapping[str, TensorError]) -> frozenset[str]:
    """Tensors whose channels have another scale, and whose readers, each judged before, know it."""
    readers: dict[str, list[str]] = {name: [] for name in found}
    for name in found:
        for source in sources[name]:
            readers[source].append(name)
    snr: dict[str, float] = {}
    scaled = set()
    for name in reversed([*found]):
        plain, best = found[name].snr_db, found[name].rescaled_snr_db
        behind = min((snr[reader] for reader in readers[name]), default=plain)
        if best - plain >= _SCALED_DB and behind > (plain + best) / 2:
            scaled.add(name)
        snr[name] = best if name in scaled else plain
    return frozenset(scaled)


def _title(node: onnx.NodeProto | None) -> tuple[str, str]:
    return ("", "") if node is None else (node.name or node.output[0], node.op_type)


def _noise(snr_db: float) -> float:
    """Power of the error by that of the signal."""
    return 10 ** (-snr_db / 10)


def _cause(layer: LayerError, error: TensorError) -> str:
    """What the numbers show, as one clause; nothing where they show nothing."""
    if layer.beyond is not None and layer.beyond > _BEYOND:
        return (
            f"{100 * layer.beyond:.1f} % of its values lie outside of [{layer.low:.4g}, {layer.high:.4g}], all that "
            f"its codes reach; the float network gives [{layer.seen_low:.4g}, {layer.seen_high:.4g}]"
        )
    used, codes = layer.codes_used, layer.codes
    if used is not None and codes is not None and codes > _FEWEST_CODES and error.codes_needed < _FEW_CODES * codes:
        return f"its values take {used} of {counted(codes, 'code')}: its scale is too large"
    if layer.added < _WORTH_A_NAME:
        return ""
    if error.rounding >= layer.added / 2:
        return f"its range fits: rounding to {codes} codes is that coarse"
    if error.magnified_snr_db - layer.snr_db >= _SCALED_DB:
        times = f"{error.magnification:.2g} times"
        return f"its range fits, its values are about {times} the float network's: a scale is wrong"
    return "its range fits: what it computes, weights or bias, is not what the float network computes"
