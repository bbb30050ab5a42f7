"""Codes that are read with other numbers than they were written with, on purpose: the two forms of a HardSigmoid.

`simulator/hard_sigmoid.py` has both: an Add that saturates where the function does, and a Clip of what it reads.
"""

from __future__ import annotations

import numpy as np

from gdfq_export.frontend.passes.constants.constant import input_at
from gdfq_export.qdq.reader.model import QdqModel
from gdfq_export.qdq.reader.nodes import QdqNode, producer_of
from gdfq_export.simulator.hard_sigmoid import clip_form


def saturates_as_gate(model: QdqModel, pair: QdqNode, writer: QdqNode) -> bool:
    """A HardSigmoid alpha x + beta, written as the Add of x and beta / alpha.

    The ratio of the scales is alpha, so that the constant that is added must be beta / alpha with beta inside 0..1.
    """
    add = producer_of(input_at(writer.node, 0))
    if add is None or add.op_type != "Add" or pair.step is None or writer.step is None or not writer.step > 0:
        return False
    alpha = pair.step / writer.step
    constants = (model.numbers(value) for value in add.inputs)
    return any(each is not None and each.size == 1 and 0 < alpha * float(each.item()) < 1 for each in constants)


def clips_as_gate(model: QdqModel, pair: QdqNode, writer: QdqNode) -> bool:
    """The gate of a HardSwish: a Clip of the codes of x, read with other numbers."""
    clip = producer_of(input_at(pair.node, 0))
    if clip is None or clip.op_type != "Clip":
        return False
    if pair.step is None or writer.step is None or writer.zero is None or not writer.step > 0:
        return False
    form = clip_form(np.float32(writer.step), writer.zero)
    if form is None or (form.scale, form.zero_point) != (np.float32(pair.step), pair.zero):
        return False
    return model.clip_bounds(clip) == (form.low, form.high)
