"""Ridge regression of a layer's weights onto the float layer's outputs, from the quantized network's inputs.

Behind quantized layers a layer no longer gets the inputs it was trained for. The weights whose outputs then come
nearest to the float layer's are those of a linear regression, here with a ridge towards the float weights whose
penalty is relative to the mean input variance:

    min_W  E |W x - y|^2 + ridge * mean(diag H) * |W - W_float|^2

Where a layer has few inputs to fit on (the last ones see one position of an image, or a few), a small penalty fits
their noise: `choose_ridge` takes the largest penalty that is not measurably worse on images that the fit has not seen.

It is the target of GPTAQ (Li et al., "Efficient Finetuning-Free Quantization for Asymmetric Calibration", arXiv
2504.02692), solved before rounding instead of along with it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from calib.device.transfer import send
from gdfq_export.tuning.reconstruction.factorization import factorized
from gdfq_export.tuning.reconstruction.second_moments import LayerMoments, not_zero


def refit_weights(weight: Tensor, moments: LayerMoments, ridge: float | Tensor) -> Tensor:
    """The regression's weights, in the shape of `weight` [out, ...]; `moments` are of wanted outputs too."""
    assert moments.products is not None
    groups, size = moments.inputs.shape[:2]
    rows = weight.reshape(groups, -1, size).double()
    penalty = ridge * not_zero(torch.diagonal(moments.inputs, dim1=1, dim2=2).mean(dim=1))[:, None, None]
    matrix = moments.inputs + penalty * torch.eye(size, dtype=torch.float64, device=weight.device)
    wanted = moments.products + penalty * rows.transpose(1, 2)
    fitted = torch.cholesky_solve(wanted, factorized(matrix))
    return fitted.transpose(1, 2).reshape(weight.shape).to(weight.dtype)


RIDGES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 1e4)  # the last leaves the weights as they are


def choose_ridge(weight: Tensor, seen: LayerMoments, unseen: Sequence[LayerMoments]) -> Tensor:
    """The largest ridge whose fit on `seen` is within one standard error of the best on `unseen`.

    The standard error is that of the difference between the two fits over the sets of `unseen`, at least two and of one
    size: the one-standard-error rule of Breiman et al., "Classification and Regression Trees" (1984), section 3.4.3. A
    fit whose gain is within the noise of the images does harm on images of another kind.

    Args:
        weight: the float weights, [out, ...].
        seen: moments of inputs and wanted outputs to fit on.
        unseen: the same of sets of images that are not fitted.

    Returns:
        One of `RIDGES`, float64, a scalar on the device of the moments.
    """
    fits = [refit_weights(weight, seen, ridge) for ridge in RIDGES]
    errors = torch.stack([torch.stack([_error(fit, moments) for moments in unseen]) for fit in fits])
    more = errors - errors.index_select(0, errors.mean(dim=1).argmin(keepdim=True))
    within = more.mean(dim=1) <= more.std(dim=1) / len(unseen) ** 0.5
    last = (within * torch.arange(len(RIDGES), device=within.device)).amax(keepdim=True)
    return send(torch.tensor(RIDGES, dtype=torch.float64), last.device).index_select(0, last).squeeze()


def _error(weight: Tensor, moments: LayerMoments) -> Tensor:
    """E |W x - y|^2 less E |y|^2, which is the same for all weights."""
    assert moments.products is not None
    groups, size = moments.inputs.shape[:2]
    rows = weight.reshape(groups, -1, size).double()
    return (rows @ moments.inputs * rows).sum() - 2 * (rows * moments.products.transpose(1, 2)).sum()
