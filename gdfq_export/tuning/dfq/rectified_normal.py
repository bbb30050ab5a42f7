"""Mean and standard deviation of a normal variable behind an activation function, in closed form.

Nagel et al., "Data-Free Quantization", arXiv 1906.04721, section 4.2.1 and appendix C. With phi and Phi the standard
normal's density and distribution, x of mean mu and standard deviation sigma, alpha = (a - mu) / sigma and beta =
(b - mu) / sigma:

    E[clip(x, a, b)]   = a Phi(alpha) + b (1 - Phi(beta)) + mu Z - sigma D
    E[clip(x, a, b)^2] = a^2 Phi(alpha) + b^2 (1 - Phi(beta)) + (mu^2 + sigma^2) Z - 2 mu sigma D
                         - sigma^2 (beta phi(beta) - alpha phi(alpha))

with Z = Phi(beta) - Phi(alpha) and D = phi(beta) - phi(alpha), of which a = 0, b = infinity is the paper's E[ReLU(x)] =
sigma phi(-mu / sigma) + mu (1 - Phi(-mu / sigma)).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_SMALLEST_STD = 1e-30


def clipped(mean: Tensor, std: Tensor, low: float, high: float) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of min(max(x, low), high), x normal; float64, any shape, bounds may be infinite."""
    first, second = _moments(mean, std.clamp_min(_SMALLEST_STD), low, high)
    return first, (second - first.square()).clamp_min(0).sqrt()


def leaky(mean: Tensor, std: Tensor, slope: float) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of x where positive, slope * x elsewhere, x normal; float64, any shape."""
    std = std.clamp_min(_SMALLEST_STD)
    above, above_squared = _moments(mean, std, 0.0, math.inf)
    below, below_squared = _moments(-mean, std, 0.0, math.inf)
    first, second = above - slope * below, above_squared + slope**2 * below_squared
    return first, (second - first.square()).clamp_min(0).sqrt()


def _moments(mean: Tensor, std: Tensor, low: float, high: float) -> tuple[Tensor, Tensor]:
    """E[y] and E[y^2] of the clipped variable y."""
    first, second = torch.zeros_like(mean), torch.zeros_like(mean)
    inside = torch.ones_like(mean)
    for bound, sign in ((low, 1.0), (high, -1.0)):
        if math.isinf(bound):
            continue
        at = (bound - mean) / std
        tail = torch.special.ndtr(sign * at)
        density = torch.exp(-at.square() / 2) / math.sqrt(2 * math.pi)
        inside = inside - tail
        first = first + bound * tail + sign * std * density
        second = second + bound**2 * tail + sign * (2 * mean * std + std.square() * at) * density
    return first + mean * inside, second + (mean.square() + std.square()) * inside
