"""Torch's threads where the user names none: one for a small network, whose steps are too short to be shared out.

Threads that wait for each other cost more than they bring where a step takes milliseconds, most of all on a machine
that is busy with other work.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import onnx_ir as ir
import torch

from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs.run_context import RunContext
from gdfq_export.planning.operations import multiply_accumulates

SMALL = 10**7  # multiply-accumulates for one image
_LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


@contextmanager
def threads_for(run: RunContext, model: FloatModel) -> Iterator[None]:
    """Compute a small network with one thread in the block, unless `run.threads` or OMP_NUM_THREADS says how many."""
    before = torch.get_num_threads()
    if run.threads is None and "OMP_NUM_THREADS" not in os.environ and _is_small(model):
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _is_small(model: FloatModel) -> bool:
    layers = [node for node in model.folded.graph if node.op_type in _LAYERS and _has_weights(node)]
    return sum(map(multiply_accumulates, layers)) < SMALL


def _has_weights(node: ir.Node) -> bool:
    return len(node.inputs) > 1 and node.inputs[1] is not None and node.inputs[1].const_value is not None
