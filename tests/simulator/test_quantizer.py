"""The fake quantizer: its grid is QuantizeLinear's, its gradients are those of LSQ."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gdfq_export.frontend.passes.measured_shapes import run_model
from gdfq_export.planning.constraints import Unrounded
from gdfq_export.planning.plan import QuantPoint, Role
from gdfq_export.simulator import Mode, Quantizer
from tests import tiny_graph


def point(
    *,
    role: Role = Role.ACTIVATION,
    bits: int = 8,
    signed: bool = False,
    axis: int | None = None,
    rounded: bool = True,
    low: float = -math.inf,
    high: float = math.inf,
) -> QuantPoint:
    return QuantPoint(
        key="t",
        tensor="t",
        consumers=(),
        role=role,
        bits=bits,
        signed=signed,
        symmetric=signed,
        axis=axis,
        group="t",
        constraint=None if rounded else Unrounded(),
        low=low,
        high=high,
    )


def quantizer(smallest: float, largest: float, **settings: object) -> Quantizer:
    made = Quantizer(point(**settings))  # type: ignore[arg-type]
    made.set_range(smallest, largest)
    made.mode = Mode.QUANTIZE
    return made


bounds = st.floats(0.01, 100)


@given(low=bounds, high=bounds, bits=st.integers(2, 8))
def test_a_range_is_spanned_by_the_codes_and_zero_is_exact(low: float, high: float, bits: int) -> None:
    made = quantizer(-low, high, bits=bits)
    scale, zero = float(made.scale.detach()), int(made.zero_point)
    assert 0 <= zero <= 2**bits - 1
    assert float(made(torch.zeros(())).detach()) == 0.0
    assert math.isclose((2**bits - 1) * scale, low + high, rel_tol=1e-5)
    assert abs(-zero * scale + low) <= 0.5001 * scale


@pytest.mark.parametrize(("low", "high", "scale"), [(-math.inf, math.inf, 2 / 255), (0.0, math.inf, 1 / 255)])
def test_what_is_never_anything_but_0_has_a_scale_of_everyday_size(low: float, high: float, scale: float) -> None:
    made = quantizer(0.0, 0.0, low=low, high=high)
    assert made.scale.item() == pytest.approx(scale)
    assert made(torch.zeros(3)).tolist() == [0.0] * 3


@pytest.mark.parametrize("size", [1e-3, 1e-9, 1e-30])
@pytest.mark.parametrize("signed", [False, True])
def test_a_range_is_as_small_as_its_tensor(size: float, signed: bool) -> None:
    made = quantizer(-size, size, signed=signed)
    assert made.scale.item() == pytest.approx(size / 127.5, rel=0.01)


def test_weights_are_as_small_as_their_layer_and_no_smaller_than_can_be_seen() -> None:
    made = Quantizer(point(role=Role.WEIGHT, signed=True, axis=1), torch.Size([2, 3]))
    made.set_scale(torch.tensor([1e-10, 1e-12, 0.0]))
    assert made.scale.reshape(-1).tolist() == pytest.approx([1e-10, 1e-12, 1e-15])
    made.set_scale(torch.tensor([1e-2, 1e-12, 0.0]))
    assert made.scale.reshape(-1).tolist() == pytest.approx([1e-2, 1e-6 / 255, 1e-6 / 255])
    made.set_scale(torch.zeros(3))
    assert made.scale.reshape(-1).tolist() == pytest.approx([1e-6 / 255] * 3)


@given(low=bounds, high=bounds)
def test_rounding_is_off_by_half_a_step_at_most_and_clips_beyond(low: float, high: float) -> None:
    made = quantizer(-low, high)
    scale, zero = float(made.scale.detach()), int(made.zero_point)
    least, most = -zero * scale, (255 - zero) * scale
    x = torch.linspace(least, most, 999)
    assert float((made(x) - x).abs().max()) <= 0.501 * scale
    assert float(made(torch.tensor(10 * most + 1.0))) == pytest.approx(most, rel=1e-5)
    assert float(made(torch.tensor(10 * least - 1.0))) == pytest.approx(least, rel=1e-5, abs=1e-6)


def test_it_rounds_as_quantize_linear_does() -> None:
    made = quantizer(-1.3, 2.1)
    x = np.random.default_rng(0).normal(size=(4, 500)).astype(np.float32) * 2
    parameters = ["s", "z"]
    file = tiny_graph.model(
        nodes=[("QuantizeLinear", ["x", *parameters], ["q"]), ("DequantizeLinear", ["q", *parameters], ["y"])],
        inputs={"x": (4, 500)},
        outputs=["y"],
        initializers={"s": made.scale.detach().numpy(), "z": np.uint8(int(made.zero_point))},
    )
    np.testing.assert_array_equal(made(torch.from_numpy(x)).detach().numpy(), run_model(file, {"x": x})["y"])


def test_a_symmetric_range_has_zero_point_zero() -> None:
    made = quantizer(-1.0, 3.0, signed=True, bits=4)
    assert int(made.zero_point) == 0
    assert float(made.scale.detach()) * 8 == pytest.approx(3.0)


def test_codes_do_not_reach_beyond_an_absorbed_activation() -> None:
    made = quantizer(0.0, 9.0, low=0.0, high=6.0)
    assert float(made(torch.tensor(100.0))) <= 6.0 + 1e-6
    assert int(made.zero_point) == 0
    with torch.no_grad():
        made.log_scale.fill_(5.0)  # as training might
    assert float(made(torch.tensor(100.0))) == pytest.approx(6.0)


def test_the_inputs_range_is_its_own() -> None:
    made = quantizer(-1.0, 3.0, role=Role.INPUT, low=-1.0, high=3.0)
    assert made.largest_scale() == math.inf


def test_weights_have_a_scale_for_each_channel() -> None:
    made = Quantizer(point(role=Role.WEIGHT, signed=True, axis=1), torch.Size([2, 3]))
    made.set_scale(torch.tensor([0.1, 1.0, 10.0]))
    made.mode = Mode.QUANTIZE
    found = made(torch.tensor([[0.16, 1.6, 16.0], [-99.0, -99.0, -99.0]]))
    torch.testing.assert_close(found, torch.tensor([[0.2, 2.0, 20.0], [-12.8, -99.0, -100.0]]))


def test_observing_and_passing_change_nothing() -> None:
    seen: list[Tensor] = []

    class Observer:
        def observe(self, tensor: Tensor) -> None:
            seen.append(tensor)

    made = quantizer(-1.0, 1.0)
    made.observer = Observer()
    x = torch.randn(5, requires_grad=True)
    made.mode = Mode.FLOAT
    assert made(x) is x and not seen
    made.mode = Mode.OBSERVE
    assert made(x) is x
    assert len(seen) == 1 and not seen[0].requires_grad


def test_the_gradient_passes_inside_the_range_and_not_beyond() -> None:
    made = quantizer(-1.0, 1.0)
    x = torch.tensor([-3.0, -0.4, 0.3, 3.0], requires_grad=True)
    made(x).sum().backward()
    torch.testing.assert_close(x.grad, torch.tensor([0.0, 1.0, 1.0, 0.0]))


def test_the_scales_gradient_is_that_of_lsq() -> None:
    made = quantizer(0.0, 2.55)
    scale, x = 0.01, torch.tensor([0.123, 0.128, 9.0])
    made(x).sum().backward()
    inside = sum(round(value / scale) - value / scale for value in x[:2].tolist())
    assert made.log_scale.grad is not None
    assert float(made.log_scale.grad) == pytest.approx(scale * (inside + 255), rel=1e-4)


@given(low=bounds, high=bounds)
def test_what_is_not_rounded_is_clamped_to_twice_its_range(low: float, high: float) -> None:
    made = quantizer(-low, high, rounded=False)
    step = 2 * (low + high) / 255
    x = torch.linspace(-10 * low, 10 * high, 1001)
    found = made(x).detach()
    kept = (x >= -2 * low + step) & (x <= 2 * high - step)
    assert torch.allclose(found[kept], x[kept], atol=1e-5 * (low + high))
    assert [float(found.min()), float(found.max())] == pytest.approx([-2 * low, 2 * high], abs=step)


def test_the_bounds_of_an_absorbed_activation_hold_for_what_is_not_rounded() -> None:
    made = quantizer(0.0, 5.0, rounded=False, low=0.0, high=6.0)
    assert made(torch.tensor([-1.0, 0.3, 7.0])).tolist() == pytest.approx([0.0, 0.3, 6.0])


def test_values_without_gradient_are_quantized_alike_and_left_as_they_are() -> None:
    made = quantizer(-1.0, 3.0)
    x = torch.randn(1000, generator=torch.Generator().manual_seed(0)) * 3
    before = x.clone()
    with torch.no_grad():
        found = made(x)
    assert torch.equal(found, made(x)) and torch.equal(x, before)
