"""How closely one network's answers follow another's, where no labels are needed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gdfq_export.errors import InputError
from gdfq_export.support.confidence_interval import Proportion, proportion
from gdfq_export.support.text import counted
from gdfq_export.tasks.classification.accuracy import Logits


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Top-1 agreement; KL divergence of the quantized from the float class probabilities (mean, nats); logit errors."""

    images: int
    source: str
    top1: Proportion
    kl_mean_nats: float
    max_abs_logit_error: float
    rms_logit_error: float


def measure_agreement(
    float_logits: Logits, quantized_logits: Logits, source: str, *, probabilities: bool = False
) -> Agreement:
    """Compare logits `[N, classes]` of both networks on the same images.

    `probabilities` says that the networks end in Softmax, so that rows are probabilities already.

    Raises:
        InputError: the shapes differ, there are no images, or a network returns NaN or infinity.
    """
    if float_logits.shape != quantized_logits.shape or float_logits.ndim != 2 or len(float_logits) == 0:
        raise InputError(
            f"cannot compare outputs of shape {list(float_logits.shape)} (float) and {list(quantized_logits.shape)} "
            f"(quantized) on {source}; both must be [N, classes] of the same N >= 1 images"
        )
    for name, logits in (("float", float_logits), ("quantized", quantized_logits)):
        if broken := int((~np.isfinite(logits)).any(axis=1).sum()):
            raise InputError(
                f"the {name} network returns NaN or infinity for {broken} of {counted(len(logits), 'image')} of "
                f"{source}; check its weights and the preprocessing (scale, mean, std)"
            )
    same = int((float_logits.argmax(axis=1) == quantized_logits.argmax(axis=1)).sum())
    log_p, log_q = _log_probabilities(float_logits, probabilities), _log_probabilities(quantized_logits, probabilities)
    error = quantized_logits.astype(np.float64) - float_logits.astype(np.float64)
    return Agreement(
        images=len(float_logits),
        source=source,
        top1=proportion(same, len(float_logits)),
        kl_mean_nats=max(0.0, float((np.exp(log_p) * (log_p - log_q)).sum(axis=1).mean())),
        max_abs_logit_error=float(np.abs(error).max()),
        rms_logit_error=float(np.sqrt(np.square(error).mean())),
    )


def _log_probabilities(logits: Logits, probabilities: bool) -> NDArray[np.float64]:
    exact = logits.astype(np.float64)
    if probabilities:
        exact = np.log(np.maximum(exact, np.finfo(np.float32).tiny))
    shifted = exact - exact.max(axis=1, keepdims=True)
    normalised: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return normalised
