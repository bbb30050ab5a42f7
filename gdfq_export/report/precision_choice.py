"""What `bits.precision: auto` measured and chose: the frontier, the chosen point, and why for each layer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPrecision:
    """One layer: `int8` or `float`, and what decided.

    Attributes:
        layer: its name.
        op_type: its operator.
        precision: `int8` or `float`.
        reason: why.
        noise: noise power by signal power of the noisiest output, with this layer and its result alone quantized.
        integer_ms: milliseconds of the layer as integers.
        float_ms: its milliseconds in float.
        bytes_added: by which the file grows where its weights are float.
    """

    layer: str
    op_type: str
    precision: str
    reason: str
    noise: float
    integer_ms: float
    float_ms: float
    bytes_added: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontierPoint:
    """One choice: SNR of the noisiest output against latency and bytes.

    Attributes:
        float_layers: how many layers are float.
        snr_db: of the noisiest output, dB, at most 200.
        latency_ratio: latency relative to the float network's; None: not measured.
        size_ratio: bytes of the file relative to the float network's.
        measured: a draft was made and measured; otherwise the integer programme predicts it.
        chosen: the file has it.
        predicted_latency_ratio: of a measured draft, what the integer programme predicts for its latency.
    """

    float_layers: int
    snr_db: float
    latency_ratio: float | None
    size_ratio: float
    measured: bool
    chosen: bool = False
    predicted_latency_ratio: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionFacts:
    """The choice of a run.

    Attributes:
        goals: what was to be reached.
        reached: the chosen draft keeps all goals that drafts can be compared with.
        images: held-out images that drafts were measured on.
        profiled: the time of layers is that of ONNX Runtime's profile; tabulated otherwise.
        layers: every layer that can be quantized, in the order of computation; none where nothing had to stay float.
        frontier: predicted points from everything quantized to everything float, then the measured drafts.
        in_the_way: where a goal cannot be reached, the two quantized layers of the largest error that is left.
        raised: layers that were made float after a gate had failed on the tuned file.
    """

    goals: str
    reached: bool
    images: int
    profiled: bool
    layers: tuple[LayerPrecision, ...]
    frontier: tuple[FrontierPoint, ...]
    in_the_way: tuple[str, ...] = ()
    raised: tuple[str, ...] = ()

    @property
    def floats(self) -> tuple[str, ...]:
        """Names of the layers that stay float."""
        return tuple(each.layer for each in self.layers if each.precision == "float")
