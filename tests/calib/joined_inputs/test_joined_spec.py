"""Several inputs as one: what the joined description says of each element is what the input's own says."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from calib import InputSpec, JoinedInputs

numbers = st.floats(0.125, 4.0)


@st.composite
def specs(draw: st.DrawFn) -> InputSpec:
    shape = tuple(draw(st.lists(st.integers(1, 3), min_size=1, max_size=3)))
    mean, std = (tuple(draw(st.lists(numbers, min_size=shape[0], max_size=shape[0]))) for _ in range(2))
    return InputSpec(shape=shape, scale=draw(st.sampled_from([1.0, 127.5, 255.0])), mean=mean, std=std)


@given(inputs=st.lists(specs(), min_size=2, max_size=3), seed=st.integers(0, 99))
def test_a_joined_batch_is_taken_apart_into_what_was_joined(inputs: list[InputSpec], seed: int) -> None:
    joined, random = JoinedInputs.of({str(index): spec for index, spec in enumerate(inputs)}), torch.manual_seed(seed)
    parts = [torch.randn(2, *spec.shape, generator=random) for spec in inputs]
    batch = torch.cat([part.flatten(1) for part in parts], dim=1)
    assert batch.shape[1:] == joined.shape
    assert all(torch.equal(*pair) for pair in zip(joined.split(batch), parts, strict=True))


@given(inputs=st.lists(specs(), min_size=2, max_size=3))
def test_each_element_has_the_range_of_its_channel(inputs: list[InputSpec]) -> None:
    joined = JoinedInputs.of({str(index): spec for index, spec in enumerate(inputs)})
    for name in ("low", "high"):
        own = [spec.plane(getattr(spec, name)).expand(1, *spec.shape).flatten() for spec in inputs]
        np.testing.assert_allclose(getattr(joined, name), torch.cat(own), rtol=1e-5, atol=1e-6)


def test_the_extent_counts_all_positions_and_an_image_comes_before_larger_vectors() -> None:
    image = InputSpec(shape=(3, 8, 8), scale=255.0, mean=(0.0,) * 3, std=(1.0,) * 3)
    vector = InputSpec(shape=(500,), scale=255.0, mean=(0.0,) * 500, std=(1.0,) * 500)
    joined = JoinedInputs.of({"vector": vector, "image": image})
    assert joined.extent == (500, 65) and joined.image_shape == (3, 8, 8)
    assert image.extent == image.image_shape == (3, 8, 8) and not image.by_name
