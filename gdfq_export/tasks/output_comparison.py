"""The error of each output of a quantized network, whatever it means.

    SNR = 10 log10( E[x^2] / E[(x - y)^2] )    in dB, over all images and elements

Its interval is that of a ratio of two means over images (delta method, on the logarithm of the ratio).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from gdfq_export.errors import InputError
from gdfq_export.support.confidence_interval import Z95, mean_interval
from gdfq_export.support.text import counted
from gdfq_export.tasks.figures import ComparedOutputs, OutputError, TaskFigure

MOST_DB = 200.0
"""SNR of an output without any error; its negative is the least."""

_SAME = 1e-6  # of the largest value: what differs less between images differs by the rounding of floats
_TINY = 1e-30


def compare_outputs(compared: ComparedOutputs) -> tuple[OutputError, ...]:
    """The error of each output, `[N, ...]` of both networks.

    Raises:
        InputError: shapes differ, there are no images, or a network returns NaN or infinity.

    Example:
        >>> x, y = np.float32([[1.0, 0.0], [0.0, 2.0]]), np.float32([[1.0, 0.1], [0.0, 2.0]])
        >>> both = ComparedOutputs(images=2, names=["y"], float_network=[x], quantized=[y], source="noise")
        >>> round(compare_outputs(both)[0].snr_db, 1), round(compare_outputs(both)[0].cosine, 4)
        (27.0, 0.9975)
    """
    return tuple(_errors(compared))


def output_figures(errors: Sequence[OutputError], images: int) -> tuple[TaskFigure, ...]:
    """The lowest signal to noise and the lowest cosine among the outputs, the figures of the gates of every task."""
    noisiest = min(errors, key=lambda error: error.snr_db)
    farthest = min(errors, key=lambda error: error.cosine)
    of = "" if len(errors) == 1 else f", the lowest of {len(errors)} outputs"
    snr = TaskFigure(
        name="output_snr_db",
        title="signal to noise",
        unit="dB",
        value=noisiest.snr_db,
        low=noisiest.snr_low_db,
        high=noisiest.snr_high_db,
        sample=images if images > 1 else None,
        note=f"of output {noisiest.output}{of}",
    )
    cosine = TaskFigure(
        name="cosine",
        title="cosine with float",
        unit="",
        value=farthest.cosine,
        low=farthest.cosine_low,
        high=farthest.cosine_high,
        sample=images if images > 1 else None,
        note=f"of output {farthest.output}{of}, the mean over images",
    )
    return snr, cosine


def _errors(compared: ComparedOutputs) -> Iterator[OutputError]:
    for name, wanted, found in zip(compared.names, compared.float_network, compared.quantized, strict=True):
        if wanted.shape != found.shape or wanted.size == 0:
            raise InputError(
                f"cannot compare the output {name} of shape {list(wanted.shape)} (float) and {list(found.shape)} "
                f"(quantized) on {compared.source}; both must have the same shape, for at least one image"
            )
        each = [
            _rows(output, compared, f"the {network} network returns NaN or infinity in {name}")
            for network, output in (("float", wanted), ("quantized", found))
        ]
        yield _error(name, each[0], each[1], wanted.shape[1:])


def _rows(output: NDArray[np.generic], compared: ComparedOutputs, broken: str) -> NDArray[np.float64]:
    """One row an image; one row of all where the output does not depend on the number of images."""
    count = compared.images if output.ndim and len(output) % compared.images == 0 else 1
    rows = output.astype(np.float64).reshape(count, -1)
    if wrong := int((~np.isfinite(rows)).any(axis=1).sum()):
        raise InputError(
            f"{broken} for {wrong} of {counted(len(rows), 'image')} of {compared.source}; check its weights and the "
            "preprocessing (scale, mean, std)"
        )
    return rows


def _error(name: str, x: NDArray[np.float64], y: NDArray[np.float64], shape: Sequence[int]) -> OutputError:
    difference = x - y
    signal, noise, dot = _dot(x, x), _dot(difference, difference), _dot(x, y)
    lengths = np.sqrt(signal * _dot(y, y))
    both_zero = (signal < _TINY) & (noise < _TINY)
    cosines = np.where(both_zero, 1.0, dot / np.maximum(lengths, _TINY))
    snr, half = _decibels(float(signal.sum()), float(noise.sum())), _half_interval_db(signal, noise)
    low, high = mean_interval(cosines)
    return OutputError(
        output=name,
        shape=tuple(shape),
        snr_db=snr,
        snr_low_db=max(-MOST_DB, snr - half),
        snr_high_db=min(MOST_DB, snr + half),
        cosine=float(min(1.0, cosines.mean())),
        cosine_low=max(-1.0, low),
        cosine_high=min(1.0, high),
        max_abs_error=float(max(difference.max(), -difference.min())),
        constant=len(x) > 1 and bool(np.ptp(x, axis=0).max() <= _SAME * np.abs(x).max()),
    )


def _dot(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inner product of each row, [N], without a copy of the rows."""
    products: NDArray[np.float64] = np.einsum("ij,ij->i", a, b)
    return products


def _decibels(signal: float, noise: float) -> float:
    if noise <= 0:
        return MOST_DB
    return max(-MOST_DB, min(MOST_DB, 10 * math.log10(max(signal, _TINY) / noise)))


def _half_interval_db(signal: NDArray[np.float64], noise: NDArray[np.float64]) -> float:
    """Half the 95 % interval of the SNR over images, dB; 0 for one image or no error."""
    images, ratio = len(signal), noise.sum() / max(signal.sum(), _TINY)
    if images < 2 or ratio <= 0:
        return 0.0
    spread = (noise - ratio * signal).std(ddof=1) / math.sqrt(images)
    return float(10 / math.log(10) * Z95 * spread / max(noise.mean(), _TINY))
