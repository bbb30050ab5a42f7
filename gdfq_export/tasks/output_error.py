"""The error of outputs where nothing is known of what they mean."""

from __future__ import annotations

import torch
from torch import Tensor

from gdfq_export.tasks.outputs import Outputs, as_tuple

_SMALLEST = 1e-12


def relative_error(found: Outputs, wanted: Outputs) -> Tensor:
    """Mean squared error by the variance of what is wanted; the mean over outputs, a differentiable scalar.

    Example:
        >>> float(relative_error(torch.tensor([1.0, 3.0]), torch.tensor([1.0, 2.0])))
        1.0
    """
    errors = [
        (output - reference).square().mean() / reference.var().clamp_min(_SMALLEST)
        for output, reference in zip(as_tuple(found), as_tuple(wanted), strict=True)
    ]
    return errors[0] if len(errors) == 1 else torch.stack(errors).mean()
