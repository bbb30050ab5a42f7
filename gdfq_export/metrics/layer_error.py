"""Signal-to-noise ratio of each quantized tensor, and the layer that adds the largest error.

The float network and the file run on the same images. A quantized activation is read as integers, which changes
nothing of what the runtime fuses, and compared with the float network's tensor of the same name:

    SNR = 10 log10( E[x^2] / E[(x - x_quantized)^2] )    in dB, over all images and elements

Equalization rescales the channels between two layers, and the second layer compensates. A tensor whose channels fit
better after rescaling, and whose error is gone in its consumers, is marked `channels_rescaled`; its SNR is measured
after rescaling.

An error that is gone in all that reads the tensor, as of values below -3 in front of a HardSwish, has no cause and is
not the largest.

Error accumulates along the network, so a low SNR alone does not identify a faulty layer. `added_noise_ratio` is the
noise-to-signal power ratio of a tensor minus the highest of its inputs. Among the layers that add much noise, the
largest fall of the SNR identifies the worst one, and the figures give the cause where they show one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import onnx
import onnx_ir as ir

from gdfq_export.errors import InputError
from gdfq_export.frontend.joined_inputs import split_inputs
from gdfq_export.frontend.passes.batch.symbolic_batch import graph_inputs
from gdfq_export.metrics.compensated_errors import gone_in_readers, rescaled_tensors
from gdfq_export.metrics.histogram import Histogram
from gdfq_export.metrics.tensor_error import TensorError
from gdfq_export.qdq.reader.activations import QuantizedActivation, quantized_activations, sources_of
from gdfq_export.qdq.reader.model import QdqModel
from gdfq_export.qdq.reader.nodes import node_name
from gdfq_export.runtimes.base import Array, Backend, Images
from gdfq_export.support.named_bytes import NamedBytes
from gdfq_export.support.not_measured import NotMeasured
from gdfq_export.support.progress import Phase
from gdfq_export.support.text import counted

__all__ = ["Histogram", "LayerError", "LayerErrors", "measure_layers"]

_OUT_OF_RANGE = 0.005  # a smaller fraction of values is not reported
_FEW_CODES = 0.25
_FEWEST_CODES = 16  # fewer levels are not reported as unused
_WORTH_A_NAME = 0.05  # noise / signal power
_CLEAN_DB = 60.0  # assumed for inputs that are not quantized
_MAGNIFIED_DB = 3.0  # least gain from another scale
_ELEMENTS = 1 << 25  # in memory at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerError:
    """One tensor of both networks; `node` and `op_type` of the file compute it, "" for the input.

    `input_snr_db` is the lowest SNR of the quantized tensors it is computed from. `float_min` and `float_max` bound the
    float network's values, `range_min` and `range_max` the quantization range; `out_of_range_fraction` is the fraction
    of float values outside that range, None for float outputs and for rescaled channels, which cannot be compared
    with it. `levels_used` of `levels` quantization levels occur, None for float outputs.
    """

    tensor: str
    node: str
    op_type: str
    snr_db: float
    input_snr_db: float | None
    added_noise_ratio: float
    float_min: float
    float_max: float
    range_min: float | None
    range_max: float | None
    out_of_range_fraction: float | None
    levels_used: int | None
    levels: int | None
    cause: str
    histogram: Histogram
    channels_rescaled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerErrors:
    """All layers in graph order; `unmatched_tensors` are quantized but have no counterpart in the float network.

    `worst_tensor` is the output of the layer that adds the largest error, None where no layer adds noise of a twentieth
    of the signal's power.
    """

    images: int
    source: str
    layers: tuple[LayerError, ...]
    unmatched_tensors: tuple[str, ...]
    worst_tensor: str | None

    @property
    def worst_layer(self) -> LayerError | None:
        """The layer of `worst_tensor`."""
        return next((layer for layer in self.layers if layer.tensor == self.worst_tensor), None)


def measure_layers(
    float_model: onnx.ModelProto,
    quantized: onnx.ModelProto | QdqModel,
    images: Images,
    source: str,
    *,
    float_backend: Backend,
    backend: Backend,
    threads: int,
    on_step: Phase | None = None,
) -> LayerErrors | NotMeasured:
    """Run both on `images` `[N, C, H, W]` from `source` and compare tensors with the same name.

    Raises:
        InputError: a runtime does not accept its file.
    """
    both = _Comparison(float_model, QdqModel.of(quantized, check=False))
    floating = NamedBytes(float_model.SerializeToString(), "the float network")
    serialized = NamedBytes(both.model.proto.SerializeToString(), "the quantized file")
    float_session = float_backend.load(floating, threads, taps=both.float_taps)
    session = backend.load(serialized, threads, taps=both.taps)
    start = 0
    while start < len(images):
        part = images[start : start + _batch(images, both.errors)]
        floats = dict(float_session.run_tensors(part, [*both.float_taps, *both.outputs.values()]))
        both.add(
            floats | both.inputs_of(part), session.run_tensors(part, [*dict.fromkeys([*both.taps, *both.outputs])])
        )
        start += len(part)
        if on_step is not None:
            on_step(start, len(images), {})
    if not both.errors:
        return NotMeasured(reason="no quantized tensor of the file has the name of a tensor of the float network")
    layers, gone = _layers(both.model, both.errors, both.output_errors)
    worst = _worst([layer for layer in layers if layer.tensor not in gone])
    return LayerErrors(
        images=len(images),
        source=source,
        layers=layers,
        unmatched_tensors=tuple(point.tensor for point in both.points if point not in both.errors),
        worst_tensor=None if worst is None else worst.tensor,
    )


class _Comparison:
    """The quantized tensors that have a counterpart in the float network, and their errors so far."""

    def __init__(self, float_model: onnx.ModelProto, model: QdqModel) -> None:
        known = {name for node in float_model.graph.node for name in node.output}
        self.model = model
        self._inputs = graph_inputs(float_model)
        self.images = [value.name for value in self._inputs]
        counterparts = dict(zip((value.name for value in model.graph.inputs), self.images, strict=False))
        pairs = zip(model.graph.outputs, float_model.graph.output, strict=False)  # in order: names may differ
        self.outputs = {str(own.name): other.name for own, other in pairs}
        self.points = quantized_activations(model, known | {value.name for value in model.graph.inputs})
        names = {
            point: counterparts.get(point.tensor, self.images[0]) if point.reads_input else point.tensor
            for point in self.points
        }
        self._names = {point: name for point, name in names.items() if name in known or point.reads_input}
        self.float_taps = sorted({*self._names.values()} - {*self.images})
        self.errors = {point: TensorError(point) for point in self._names}
        self.output_errors = {name: TensorError(None) for name in self.outputs}

    def inputs_of(self, part: Images) -> dict[str, Array]:
        """What each input of the float network is given, by name."""
        if len(self._inputs) == 1:
            return {self.images[0]: part}
        shapes = [[dim.dim_value for dim in value.type.tensor_type.shape.dim[1:]] for value in self._inputs]
        return dict(zip(self.images, split_inputs(part, shapes), strict=True))

    @property
    def taps(self) -> list[str]:
        """Names of the codes that are compared."""
        return [point.codes for point in self.errors]

    def add(self, floats: Mapping[str, Array], found: Mapping[str, Array]) -> None:
        """Add one batch of both; a name that means another tensor in the float network is left out from then on."""
        for name, float_name in self.outputs.items():
            expected, output = floats[float_name], found[name]
            if expected.shape != output.shape:
                raise InputError(
                    f"the float network returns {list(expected.shape)} and the file {list(output.shape)}; give the "
                    "float network that the file was made from"
                )
            self.output_errors[name].add(expected, output)
        for point in [*self.errors]:
            if floats[self._names[point]].shape == found[point.codes].shape:
                self.errors[point].add(floats[self._names[point]], found[point.codes])
            else:
                del self.errors[point]


def _worst(layers: Sequence[LayerError]) -> LayerError | None:
    """Of the layers that add much noise, the one with the largest fall of the SNR from input to output."""
    adding = [layer for layer in layers if layer.added_noise_ratio >= _WORTH_A_NAME]
    return max(adding, key=lambda layer: (layer.input_snr_db or _CLEAN_DB) - layer.snr_db, default=None)


def _batch(images: Images, errors: Mapping[QuantizedActivation, TensorError]) -> int:
    """Images whose tensors fit into memory side by side: a guess at first, then from measured sizes."""
    an_image = max((error.per_image for error in errors.values()), default=0) * len(errors)
    return max(1, min(32, _ELEMENTS // (an_image or images[0].size * 64 * max(1, len(errors)))))


def _layers(
    model: QdqModel, errors: Mapping[QuantizedActivation, TensorError], outputs: Mapping[str, TensorError]
) -> tuple[tuple[LayerError, ...], frozenset[str]]:
    """Every tensor with the SNR of its inputs, float outputs last, and those whose error is gone in their readers."""
    sources = sources_of(model, [*errors])
    found = {point.tensor: error for point, error in errors.items()}
    found |= {name: error for name, error in outputs.items() if name not in found}
    scaled = rescaled_tensors(sources, found)
    snr = {name: error.rescaled_snr_db if name in scaled else error.snr_db for name, error in found.items()}
    gone = gone_in_readers(sources, snr)
    makers = {str(value.name): value.producer() for value in model.graph.outputs}
    layers = []
    for name, error in found.items():
        inputs = min((snr[source] for source in sources[name]), default=None)
        layer = _layer(name, error, makers.get(name), snr_db=snr[name], input_snr_db=inputs, rescaled=name in scaled)
        layers.append(layer if name in gone else replace(layer, cause=_cause(layer, error)))
    return tuple(layers), gone


def _layer(
    tensor: str,
    error: TensorError,
    maker: ir.Node | None,
    *,
    snr_db: float,
    input_snr_db: float | None,
    rescaled: bool,
) -> LayerError:
    """The figures of one tensor; `maker` computes it where it is a float output."""
    point = error.point
    node, op_type = ("", "") if maker is None else (node_name(maker), maker.op_type)
    if point is not None:
        node, op_type = point.node, point.op_type
    low, high = (None, None) if point is None else point.params.bounds
    return LayerError(
        tensor=tensor,
        node=node,
        op_type=op_type,
        snr_db=snr_db,
        input_snr_db=input_snr_db,
        added_noise_ratio=max(0.0, _noise(snr_db) - (0.0 if input_snr_db is None else _noise(input_snr_db))),
        float_min=error.low,
        float_max=error.high,
        range_min=low,
        range_max=high,
        out_of_range_fraction=None if point is None or rescaled else error.out_of_range / error.elements,
        levels_used=None if point is None else error.codes_used,
        levels=None if point is None else point.count,
        cause="",
        histogram=error.histogram,
        channels_rescaled=rescaled,
    )


def _noise(snr_db: float) -> float:
    """Noise power / signal power."""
    return 10 ** (-snr_db / 10)


def _cause(layer: LayerError, error: TensorError) -> str:
    """The cause that the figures show, as one clause; "" where they show none."""
    if layer.out_of_range_fraction is not None and layer.out_of_range_fraction > _OUT_OF_RANGE:
        return (
            f"{100 * layer.out_of_range_fraction:.1f} % of its values lie outside the quantization range "
            f"[{layer.range_min:.4g}, {layer.range_max:.4g}]; the float range is "
            f"[{layer.float_min:.4g}, {layer.float_max:.4g}]"
        )
    used, codes = layer.levels_used, layer.levels
    if used is not None and codes is not None and codes > _FEWEST_CODES and error.codes_needed < _FEW_CODES * codes:
        return f"its values use {used} of {counted(codes, 'quantization level')}: its scale is too large"
    if layer.added_noise_ratio < _WORTH_A_NAME:
        return ""
    if error.rounding >= layer.added_noise_ratio / 2:
        return f"its range fits: the error is that of rounding to {codes} levels"
    if error.magnified_snr_db - layer.snr_db >= _MAGNIFIED_DB:
        return f"its range fits, its values are {error.magnification:.2g} x the float network's: a scale is wrong"
    return "its range fits: its weights or bias differ from the float network's"
