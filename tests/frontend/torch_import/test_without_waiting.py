"""Operators whose indices and weights are made of numbers of the graph send them; they do not wait for a GPU."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gdfq_export.frontend.torch_import.operators.indexing import gather_constant, shape_of, size_of
from gdfq_export.frontend.torch_import.operators.resampling import resize
from gdfq_export.frontend.torch_import.operators.shape import pad_from_input, slice_axes
from tests.gpu_stand_in import DEVICE, StandInGpu


def _resize(x: Tensor, nearest: str | None, cubic: tuple[float, bool] | None) -> Tensor:
    return resize(x, axes=(2, 3), scales=(2.0, 1.5), sizes=(), coordinates="half_pixel", nearest=nearest, cubic=cubic)


OPERATORS: dict[str, Callable[[Tensor], Tensor]] = {
    "Resize, nearest": lambda x: _resize(x, "floor", None),
    "Resize, linear": lambda x: _resize(x, None, None),
    "Resize, cubic": lambda x: _resize(x, None, (-0.75, False)),
    "Slice, backwards": lambda x: slice_axes(x, slices=((3, -1, -9, -1),)),
    "Pad, reflect": lambda x: pad_from_input(x, pads=((1, 1),), axes=(3,), mode="reflect"),
    "Gather": lambda x: gather_constant(x, indices=(0, 2), shape=(2,), axis=1),
    "Shape": lambda x: shape_of(x, start=0, end=None),
    "Size": size_of,
}


@pytest.mark.parametrize("name", OPERATORS)
def test_constants_are_sent(name: str) -> None:
    with StandInGpu() as gpu:
        result = OPERATORS[name](torch.ones(2, 4, 6, 8, device=DEVICE))
    assert result.is_meta and gpu.sent and not gpu.count, gpu.waits
