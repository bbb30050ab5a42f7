"""Encodings: float32 scales, codes in their type, and biases that fit into int32."""

from __future__ import annotations

import numpy as np
import torch

from gdfq_export.planning.plan import QuantPoint, Role
from gdfq_export.simulator import Encoding, Quantizer
from gdfq_export.simulator.encoding import encode_activation, encode_bias, encode_constant, encode_weight
from tests.simulator.test_quantizer import point, quantizer

ACTIVATION = Encoding(scale=np.asarray(0.02, np.float32), zero_point=3)


def weight_quantizer(scales: list[float], *, axis: int = 0, bits: int = 8) -> Quantizer:
    described: QuantPoint = point(role=Role.WEIGHT, signed=True, axis=axis, bits=bits)
    sizes = [4, 4]
    sizes[axis] = len(scales)
    made = Quantizer(described, torch.Size(sizes))
    made.set_scale(torch.tensor(scales))
    return made


def test_an_activation_is_its_quantizers_scale_and_zero_point() -> None:
    made = quantizer(-1.0, 3.0)
    encoding = encode_activation(made)
    assert encoding.scale.dtype == np.float32 and encoding.scale.shape == ()
    assert encoding.scale == made.scale.detach().numpy()
    assert encoding.zero_point == int(made.zero_point) == 64
    assert encoding.codes is None


def test_a_constant_is_stored_as_the_codes_nearest_to_it() -> None:
    values = torch.tensor([[-1.0, 0.0], [0.5, 3.0]])
    encoding = encode_constant(quantizer(-1.0, 3.0), values)
    assert encoding.codes is not None and encoding.codes.dtype == np.uint8
    back = (encoding.codes.astype(float) - encoding.zero_point) * encoding.scale
    np.testing.assert_allclose(back, values.numpy(), atol=float(encoding.scale) / 2 + 1e-6)
    assert encoding.codes[0, 1] == encoding.zero_point


def test_weights_are_rounded_with_the_scale_of_their_channel() -> None:
    weight = torch.tensor([[0.16, -0.2, 99.0, -99.0], [1.6, -2.0, 0.0, 0.4]])
    encoding = encode_weight(weight_quantizer([0.1, 1.0]), weight, ACTIVATION, None)
    assert encoding.codes is not None and encoding.codes.dtype == np.int8
    assert encoding.codes.tolist() == [[2, -2, 127, -128], [2, -2, 0, 0]]
    np.testing.assert_allclose(encoding.scale, [0.1, 1.0], rtol=1e-6)
    turned = encode_weight(weight_quantizer([0.1, 1.0], axis=1), weight.T, ACTIVATION, None)
    assert turned.codes is not None
    np.testing.assert_array_equal(turned.codes.T, encoding.codes)


def test_four_bits_stay_within_four_bits() -> None:
    encoding = encode_weight(weight_quantizer([0.1], bits=4), torch.tensor([[9.0, -9.0, 0.3, 0.0]]), ACTIVATION, None)
    assert encoding.codes is not None
    assert encoding.codes.tolist() == [[7, -8, 3, 0]]


def test_a_bias_has_the_product_of_both_scales() -> None:
    weight = Encoding(scale=np.array([0.1, 0.5], np.float32))
    encoding = encode_bias(torch.tensor([0.0123, -1.0]), ACTIVATION, weight)
    assert encoding.codes is not None and encoding.codes.dtype == np.int32
    np.testing.assert_array_equal(encoding.scale, ACTIVATION.scale * weight.scale)
    assert encoding.codes.tolist() == [6, -100]


def test_the_scale_of_a_dead_channel_grows_until_its_bias_fits() -> None:
    """Without it the int32 bias of a channel with weights near 0 would wrap around."""
    made, weight, bias = weight_quantizer([1e-9, 0.1]), torch.tensor([[1e-7] * 4, [1.0] * 4]), torch.tensor([5.0, -5.0])
    plain = encode_weight(made, weight, ACTIVATION, None)
    assert abs(5.0 / (float(ACTIVATION.scale) * float(plain.scale[0]))) > 2**31
    grown = encode_weight(made, weight, ACTIVATION, bias)
    assert grown.scale[0] > plain.scale[0]
    assert grown.scale[1] == plain.scale[1]
    encoding = encode_bias(bias, ACTIVATION, grown)
    assert encoding.codes is not None
    assert np.abs(encoding.codes.astype(np.int64)).max() <= 2**30 + 64
    np.testing.assert_allclose(encoding.codes * encoding.scale.astype(float), bias.numpy(), rtol=1e-3)
