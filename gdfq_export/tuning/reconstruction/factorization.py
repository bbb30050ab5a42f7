"""The Cholesky factor of second moments, without waiting for a GPU to say whether there is one."""

from __future__ import annotations

import torch
from torch import Tensor

from calib.device.transfer import is_accelerator


def factorized(matrices: Tensor, *, upper: bool = False) -> Tensor:
    """Cholesky factors of symmetric positive definite matrices [..., K, K], float64.

    Moments to whose diagonal a share of its mean was added are positive definite, so that none fails but of values that
    are no numbers. A CPU says so at once; a factor of a GPU is NaN then, and so is every weight that is made with it.

    Raises:
        torch.linalg.LinAlgError: on a CPU, a matrix is not positive definite.
    """
    if not is_accelerator(matrices.device):
        factor: Tensor = torch.linalg.cholesky(matrices, upper=upper)
        return factor
    factors, failed = torch.linalg.cholesky_ex(matrices, upper=upper, check_errors=False)
    return torch.where((failed == 0)[..., None, None], factors, torch.nan)
