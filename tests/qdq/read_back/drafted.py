"""A whole network quantized in seconds, with ranges from noise and no tuning: its numbers are bad, its file is real."""

from __future__ import annotations

import numpy as np
import onnx

from calib.samplers import NoiseSampler
from gdfq_export.frontend.float_model import FloatModel
from gdfq_export.jobs.draft_model import Draft, write_draft
from gdfq_export.metrics.parity import parity
from gdfq_export.planning.plan import QuantPlan
from gdfq_export.qdq.read_back import read_back
from gdfq_export.recipe import Bits
from gdfq_export.simulator import Encoding, IntegerSimulator


def drafted(model: FloatModel, bits: Bits, target: str = "ort-cpu") -> Draft:
    images = NoiseSampler(model.input_spec, model.num_classes, 0).draw(8, 8)[0]
    return write_draft(model, target, bits, images, {"target": target})


def noise(model: FloatModel, count: int) -> np.ndarray:
    return NoiseSampler(model.input_spec, model.num_classes, 1).draw(count, count)[0].numpy()


def require_exact(file: onnx.ModelProto, images: np.ndarray) -> IntegerSimulator:
    """What is read of a file computes what the runtime computes."""
    simulator = read_back(file)
    result = parity(file, simulator.run, images, 32)
    assert result.exact, (
        f"{result.first_differing}: {result.differing} of {result.elements} differ, unchecked {result.unchecked}, "
        f"{result.outputs_changed_by_extra_outputs} logits changed by tapping"
    )
    return simulator


def require_same_points(found: IntegerSimulator, plan: QuantPlan, encodings: dict[str, Encoding]) -> None:
    """Points by key: the same keys, types and numbers; bits where a file says them."""
    expected = {point.key: point for point in plan.points}
    assert {point.key for point in found.plan.points} == set(expected)
    for point in found.plan.points:
        planned, numbers, own = expected[point.key], found.encodings[point.key], encodings[point.key]
        assert (point.role, point.signed, point.symmetric) == (planned.role, planned.signed, planned.symmetric)
        assert point.stored_bits == planned.stored_bits
        if numbers.codes is None:
            assert (point.bits, point.code_range) == (planned.bits, planned.code_range)
        assert np.array_equal(numbers.scale, own.scale) and numbers.scale.dtype == np.float32
        assert numbers.zero_point == own.zero_point
        assert (numbers.codes is None) == (own.codes is None)
        assert numbers.codes is None or np.array_equal(numbers.codes, own.codes)
