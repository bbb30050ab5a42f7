"""BatchNormalization (opset 15) with the statistics of training, as it runs after training."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from gdfq_export.frontend.torch_import.node_reader import Lowering, NodeReader, Op


def batch_normalization(
    x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, *, epsilon: float
) -> Tensor:
    """Return (x - mean) / sqrt(variance + epsilon) * scale + bias per channel of [N, C, ...]."""
    return functional.batch_norm(x, mean, variance, scale, bias, training=False, eps=epsilon)


def _lower_batch_normalization(reader: NodeReader) -> Op:
    if reader.integer("training_mode", 0):
        raise reader.refuse("has training_mode 1", "a model exported for inference (training_mode 0)")
    return reader.op(batch_normalization, 0, 1, 2, 3, 4, epsilon=reader.number("epsilon", 1e-5))


OPERATORS: dict[str, Lowering] = {"BatchNormalization": _lower_batch_normalization}
