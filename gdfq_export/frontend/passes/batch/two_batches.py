"""Whether a graph that was freed from its fixed batch computes what it computed before."""

from __future__ import annotations

import numpy as np
import onnx

from gdfq_export.frontend.passes.batch.symbolic_batch import fixed_batch, graph_inputs
from gdfq_export.frontend.passes.measured_shapes import run_model


def same_on_two_batches(fixed: onnx.ModelProto, freed: onnx.ModelProto) -> bool:
    """Whether two batches at once give what each gives alone; otherwise the batch is part of the computation.

    Args:
        fixed: a graph that is fixed to a batch, with static sizes.
        freed: the same for any batch.
    """
    random = np.random.default_rng(0)
    batch = fixed_batch(fixed) or 1
    inputs = graph_inputs(fixed)
    names = [value.name for value in inputs]
    shapes = {value.name: [d.dim_value for d in value.type.tensor_type.shape.dim[1:]] for value in inputs}
    parts = [{n: random.random((batch, *shapes[n]), dtype=np.float32) for n in names} for _ in range(2)]
    apart = [run_model(fixed, part) for part in parts]
    try:
        together = run_model(freed, {n: np.concatenate([part[n] for part in parts]) for n in names})
    except Exception:  # ONNX Runtime's exception types are not public
        return False
    return all(_same(np.concatenate([np.atleast_1d(run[name]) for run in apart]), together[name]) for name in together)


def _same(expected: np.ndarray, found: np.ndarray) -> bool:
    near = 1e-4 * float(np.abs(expected).max(initial=0))
    return expected.shape == found.shape and np.allclose(expected, found, rtol=1e-3, atol=near)
