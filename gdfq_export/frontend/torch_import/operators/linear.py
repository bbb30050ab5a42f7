"""Gemm (opset 13), MatMul (opset 13) and Einsum (opset 12)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from gdfq_export.frontend.torch_import.node_reader import Lowering, NodeReader, Op


def gemm(
    a: Tensor, b: Tensor, c: Tensor | None = None, *, alpha: float, beta: float, trans_a: bool, trans_b: bool
) -> Tensor:
    """Return alpha * A @ B + beta * C with A [N, K] and B [K, M] after transposition; C broadcasts to [N, M]."""
    left = a.t() if trans_a else a
    weight = b if trans_b else b.t()
    if alpha == beta == 1.0 and (c is None or c.shape == weight.shape[:1]):
        return functional.linear(left, weight, c)
    product = alpha * functional.linear(left, weight)
    return product if c is None else product + beta * c


def einsum(*tensors: Tensor, equation: str) -> Tensor:
    """Return the sum of products that `equation` says."""
    return torch.einsum(equation, *tensors)


def _lower_einsum(reader: NodeReader) -> Op:
    equation = reader.node.attributes["equation"].as_string()
    return reader.op(einsum, *range(len(reader.node.inputs)), equation=equation)


def _lower_gemm(reader: NodeReader) -> Op:
    return reader.op(
        gemm,
        0,
        1,
        2,
        alpha=reader.number("alpha", 1.0),
        beta=reader.number("beta", 1.0),
        trans_a=bool(reader.integer("transA", 0)),
        trans_b=bool(reader.integer("transB", 0)),
    )


OPERATORS: dict[str, Lowering] = {
    "Einsum": _lower_einsum,
    "Gemm": _lower_gemm,
    "MatMul": lambda reader: reader.op(torch.matmul, 0, 1),
}
