"""Files in forms that other tools write: exact or refused, never wrong."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gdfq_export.errors import InputError
from gdfq_export.qdq.read_back import read_back
from gdfq_export.recipe import Bits
from gdfq_export.runtimes.onnxruntime import OnnxRuntime
from tests.qdq.read_back import rewritten
from tests.qdq.read_back.drafted import require_exact
from tests.qdq.read_back.rewritten import REWRITES, Rewrite
from tests.simulator.quantized import images_for, quantize
from tests.simulator.random_network import networks

WIDTHS = [Bits(), Bits(weights=4, activations=4)]


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(
    proto=networks(),
    bits=st.sampled_from(WIDTHS),
    rewrites=st.lists(st.sampled_from(REWRITES), min_size=1, max_size=2),
    seed=st.integers(0, 999),
)
def test_a_file_in_another_form_is_exact_or_refused(
    proto: onnx.ModelProto, bits: Bits, rewrites: list[Rewrite], seed: int
) -> None:
    file, random = quantize(proto, bits).file, np.random.default_rng(seed)
    for rewrite in rewrites:
        rewrite(file, random)
    try:
        OnnxRuntime().load(file.SerializeToString(), 1)
        read_back(file)
    except InputError:
        assume(False)
    require_exact(file, images_for(proto, 6, seed=1))


@pytest.mark.parametrize(
    "rewrite",
    [
        rewritten.a_pair_for_each_reader,
        rewritten.another_weight,
        rewritten.biases_with_their_own_scale,
        rewritten.uint8_weights,
    ],
)
@settings(max_examples=4, suppress_health_check=list(HealthCheck))
@given(proto=networks(), seed=st.integers(0, 999))
def test_forms_that_change_no_edge_are_exact(proto: onnx.ModelProto, seed: int, rewrite: Rewrite) -> None:
    file = quantize(proto).file
    rewrite(file, np.random.default_rng(seed))
    require_exact(file, images_for(proto, 6, seed=1))
