"""GPTQ rounding: the weights that are not yet rounded compensate for the rounding error of each weight.

The error of a layer's output is quadratic in the error of its weights, with the second moments of the layer's inputs as
its matrix. Going through the inputs one by one, the error that rounding one weight makes is spread over the rest so
that the output changes least: Optimal Brain Quantization (Frantar et al., arXiv 2208.11580) in the column order of GPTQ
(Frantar et al., arXiv 2210.17323, algorithm 1), here on convolutions through their patches, group by group.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gdfq_export.simulator import Quantizer
from gdfq_export.tuning.calibration import search_block_scale, search_scale
from gdfq_export.tuning.reconstruction.factorization import factorized
from gdfq_export.tuning.reconstruction.second_moments import LayerMoments, not_zero

_DAMPING = 0.01
_LARGE, _BLOCK = 2048, 128  # inputs; of more, errors are spread over the rest a block at a time


def weighted_scale(weight: Tensor, moments: LayerMoments, quantizer: Quantizer) -> Tensor:
    """Scale of each output channel, [out], of least rounding error, weighted by the variance of the inputs.

    Where inputs are in blocks, of each channel and block, [out, blocks].

    Args:
        weight: [out, ...], output channels first.
        moments: of the layer.
        quantizer: gives the code range.
    """
    groups, size = moments.inputs.shape[:2]
    importance = torch.diagonal(moments.inputs, dim1=1, dim2=2)
    rows = weight.reshape(groups, -1, size)
    spread = importance.to(weight.dtype)[:, None, :].expand_as(rows).reshape(-1, size)
    search = search_scale if quantizer.point.block is None else search_block_scale
    return search(quantizer, rows.reshape(-1, size), spread)


def round_weights(weight: Tensor, moments: LayerMoments, quantizer: Quantizer) -> Tensor:
    """The weight on the quantizer's grid, rounding errors compensated; same shape.

    Args:
        weight: [out, ...], output channels first; the quantizer's channel axis is 0.
        moments: of the layer.
        quantizer: gives scales and code range.
    """
    inputs = moments.inputs
    groups, size = inputs.shape[:2]
    rest = weight.reshape(groups, -1, size).double()
    scale = quantizer.scale.detach().expand(weight.shape).reshape(groups, -1, size).double()
    order = torch.argsort(torch.diagonal(inputs, dim1=1, dim2=2).mean(dim=0), descending=True)
    scale, rest, inputs = scale[:, :, order], rest[:, :, order].clone(), inputs[:, order][:, :, order]
    diagonal = torch.diagonal(inputs, dim1=1, dim2=2)
    damping = _DAMPING * not_zero(diagonal.mean(dim=1, keepdim=True))
    inverse = torch.cholesky_inverse(factorized(inputs + torch.diag_embed(damping.expand_as(diagonal))))
    factor = factorized(inverse, upper=True)
    rounded = torch.empty_like(rest)
    block = size if size <= _LARGE else _BLOCK
    for start in range(0, size, block):
        stop = min(start + block, size)
        errors = torch.empty_like(rest[:, :, start:stop])
        for column in range(start, stop):
            current = rest[:, :, column : column + 1]
            step = scale[:, :, column : column + 1]
            codes = torch.clamp(torch.round(current / step), quantizer.code_min, quantizer.code_max)
            rounded[:, :, column : column + 1] = codes * step
            error = (current - codes * step) / factor[:, column, column][:, None, None]
            errors[:, :, column - start : column - start + 1] = error
            rest[:, :, column + 1 : stop] -= error * factor[:, column : column + 1, column + 1 : stop]
        if stop < size:
            rest[:, :, stop:] -= errors @ factor[:, start:stop, stop:]
    return rounded[:, :, torch.argsort(order)].reshape(weight.shape).to(weight.dtype)
