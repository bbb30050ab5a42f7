"""Analytic bias correction: the shift of a layer's mean by quantized weights is subtracted from its bias.

Nagel et al., "Data-Free Quantization", arXiv 1906.04721, section 4.2: with eps the quantized less the float weights, a
layer's output moves by eps x, on average by eps E[x]; where E[x] of the float network follows from BatchNorm's
statistics (`channel_moments.py`),

    b <- b - sum over inputs k and taps of eps_k E[x_k]

corrects the shift. Zero padding is ignored, as in the paper, and so is the error of the quantized inputs.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from gdfq_export.frontend.passes.fold_batch_norm import ChannelStatistics
from gdfq_export.simulator import Mode, Simulator
from gdfq_export.tuning.dfq.channel_moments import follow_moments
from gdfq_export.tuning.dfq.input_channels import response
from gdfq_export.tuning.dfq.one_image import by_channel


def correct_biases(
    simulator: Simulator, float_weights: Mapping[str, Tensor], statistics: Mapping[str, ChannelStatistics]
) -> dict[str, str]:
    """Correct the bias of every layer whose input's mean is known, in place.

    Args:
        simulator: calibrated; its weights may be rounded already.
        float_weights: by layer name, what the weights were before they were rounded.
        statistics: of the network's values by name, that of its input among them where it is known.

    Returns:
        Why a layer was left as it is, by its name.
    """
    nodes = {node.name: node for node in simulator.folded.graph}
    known = follow_moments(simulator.folded, statistics)
    left: dict[str, str] = {}
    with torch.no_grad(), simulator.in_mode(Mode.QUANTIZE):
        for layer in simulator.layers():
            node = nodes[layer.name]
            source = str(node.inputs[0].name)  # type: ignore[union-attr]
            if layer.bias is None:
                left[layer.name] = "it has no bias"
            elif source not in known.moments:
                left[layer.name] = f"the mean of its input is not known behind {known.unknown[source]}"
            else:
                errors = simulator.quantizers[layer.weight_point.key](layer.weight) - float_weights[layer.name]
                expected = by_channel(known.moments[source].mean).mean(dim=1).to(errors)
                layer.bias.sub_(response(errors, node.attributes.get_int("group", 1), expected))
    return left
