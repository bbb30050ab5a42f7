"""Channels in the shape of one image, of several rows for it, and of a fixed batch."""

from __future__ import annotations

import onnx_ir as ir
import pytest
import torch

from gdfq_export.tuning.dfq.one_image import by_channel, spread


@pytest.mark.parametrize(("size", "rows"), [("batch", 1), ("4*batch", 4), (3, 3)])
def test_there_is_a_row_for_each_of_an_image_or_a_fixed_batch(size: int | str, rows: int) -> None:
    value = ir.Value(name="x", shape=ir.Shape([size, 2, 5, 5]))
    found = spread(torch.tensor([[1.0, 2.0]]), value)
    assert found.shape == (rows, 2, 5, 5)
    assert by_channel(found).tolist() == [[1.0] * rows * 25, [2.0] * rows * 25]
