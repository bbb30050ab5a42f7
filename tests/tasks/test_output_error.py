from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gdfq_export.tasks.output_error import relative_error
from gdfq_export.tasks.outputs import as_tuple, concatenated


def outputs(count: int, seed: int, images: int = 6) -> tuple[torch.Tensor, ...]:
    random = torch.Generator().manual_seed(seed)
    return tuple(torch.randn((images, 3, *[2] * rank), generator=random) for rank in range(count))


@given(count=st.integers(1, 3), scale=st.floats(0.01, 100), seed=st.integers(0, 99))
def test_the_error_does_not_depend_on_the_unit_of_the_outputs(count: int, scale: float, seed: int) -> None:
    found, wanted = outputs(count, seed), outputs(count, seed + 1)
    error = relative_error(found, wanted)
    scaled = relative_error(tuple(scale * x for x in found), tuple(scale * x for x in wanted))
    torch.testing.assert_close(scaled, error, rtol=1e-3, atol=1e-6)
    assert relative_error(wanted, wanted) == 0 < error


def test_one_output_is_a_tensor_or_a_tuple_of_one() -> None:
    (found,), (wanted,) = outputs(1, 0), outputs(1, 1)
    assert relative_error(found, wanted) == relative_error((found,), (wanted,))
    assert as_tuple(found) == as_tuple((found,)) == (found,)


def test_a_constant_output_has_a_finite_error_and_a_gradient() -> None:
    found = torch.ones(4, 2, requires_grad=True)
    relative_error(found, torch.zeros(4, 2)).backward()
    assert found.grad is not None and torch.isfinite(found.grad).all()


def test_networks_of_unlike_numbers_of_outputs_are_not_compared() -> None:
    with pytest.raises(ValueError):
        relative_error(outputs(2, 0), outputs(1, 0))


@given(count=st.integers(1, 3), split=st.integers(1, 5))
def test_batches_are_joined_output_by_output(count: int, split: int) -> None:
    whole = outputs(count, 0)
    parts = [tuple(x[:split] for x in whole), tuple(x[split:] for x in whole)]
    joined = concatenated([part if count > 1 else part[0] for part in parts])
    assert isinstance(joined, torch.Tensor) == (count == 1)
    assert all(torch.equal(x, y) for x, y in zip(as_tuple(joined), whole, strict=True))
