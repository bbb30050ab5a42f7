"""A layer knows the axis of its output channels, its codes by channel, and the step its bias is counted in."""

from __future__ import annotations

import numpy as np
import pytest

from gdfq_export.qdq.reader.layers import QdqLayer, read_layers
from gdfq_export.qdq.reader.model import QdqModel
from tests.qdq.qdq_files import ARRAYS, dq, file

MATMUL = {"g_dq": [dq("g", axis=1)], "h_dq": [], "y": [("MatMul", ["f_dq", "g_dq"], ["y"])]}


def layers(*arguments, **arrays: np.ndarray) -> tuple[QdqModel, dict[str, QdqLayer]]:  # type: ignore[no-untyped-def]
    graph = QdqModel(file(*arguments, **arrays))
    return graph, {layer.name: layer for layer in read_layers(graph, frozenset())}


def test_output_channels_lie_where_each_operator_has_them() -> None:
    _, found = layers()
    assert [layer.output_axis for layer in found.values()] == [0, 0, 0]
    _, found = layers(MATMUL, g_q=ARRAYS["g_q"].T.copy())
    assert found["MatMul_y"].output_axis == 1 and not found["MatMul_y"].has_bias


def test_codes_come_by_channel_and_less_their_zero_points() -> None:
    zeros = np.arange(8, dtype=np.int8)
    graph, found = layers(v_zero=zeros)
    codes = found["Conv_e"].weight_codes(graph)
    assert codes is not None
    assert np.array_equal(codes, ARRAYS["v_q"].reshape(8, -1).astype(int) - zeros[:, None])
    graph, found = layers(MATMUL, g_q=ARRAYS["g_q"].T.copy())
    codes = found["MatMul_y"].weight_codes(graph)
    assert codes is not None and np.array_equal(codes, ARRAYS["g_q"])


@pytest.mark.parametrize(("times", "most"), [(1.0, None), (1 + 1e-6, None), (1.02, 0.02), (3.0, 2.0)])
def test_a_bias_of_other_steps_is_told_from_one_of_rounded_steps(times: float, most: float | None) -> None:
    _, found = layers(d_scale=(ARRAYS["d_scale"] * np.float32(times)).astype(np.float32))
    wrong = found["Conv_e"].wrong_bias_step()
    assert (wrong is None) == (most is None)
    if wrong is not None:
        assert wrong.most == pytest.approx(most, rel=1e-3)
        assert wrong.found == pytest.approx(times * wrong.expected)
    assert found["Conv_c"].wrong_bias_step() is None


def test_the_first_channel_of_other_steps_is_named() -> None:
    scale = ARRAYS["d_scale"].copy()
    scale[5] *= 2
    _, found = layers(d_scale=scale)
    wrong = found["Conv_e"].wrong_bias_step()
    assert wrong is not None and wrong.channel == 5 and "(channel 5)" in str(wrong)
