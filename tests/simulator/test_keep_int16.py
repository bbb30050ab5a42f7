"""Nodes with 16-bit activations: any of them, alone or together, in random networks."""

from __future__ import annotations

import glob
from typing import Any

import onnx
from hypothesis import given, settings
from hypothesis import strategies as st

from gdfq_export.metrics.parity import parity
from gdfq_export.qdq.read_back import read_back
from gdfq_export.recipe import Bits
from tests.simulator.quantized import images_for, quantize
from tests.simulator.random_network import networks
from tests.simulator.test_keep_float import SLOW, WIDTHS, names_of


@st.composite
def wide_parts(draw: Any) -> tuple[onnx.ModelProto, Bits]:
    """A network, and bits that give some of its nodes 16 bits, and keep some float."""
    proto, bits = draw(networks()), draw(st.sampled_from(WIDTHS))
    names = names_of(proto)
    first, last = sorted((draw(st.integers(0, len(names) - 1)), draw(st.integers(0, len(names) - 1))))
    wide = {*names[first : last + 1]} if draw(st.booleans()) else draw(st.sets(st.sampled_from(names), min_size=1))
    kept = draw(st.sets(st.sampled_from(names), max_size=2))
    patterns = {"keep_int16": wide, "keep_float": kept}
    return proto, bits.model_copy(
        update={key: tuple(map(glob.escape, sorted(found))) for key, found in patterns.items()}
    )


@settings(max_examples=60, suppress_health_check=SLOW)
@given(drawn=wide_parts())
def test_every_code_of_16_bits_is_that_of_the_runtime(drawn: tuple[onnx.ModelProto, Bits]) -> None:
    proto, bits = drawn
    quantized = quantize(proto, bits)
    images = images_for(proto, 6, seed=1)
    result = parity(quantized.file, quantized.exact.run, images, 6)
    assert result.exact, f"{result.first_differing}: {result.differing} integers differ, unchecked {result.unchecked}"
    if quantized.plan.points:
        assert parity(quantized.file, read_back(quantized.file).run, images, 6).exact
