"""A convolution, a ReLU and a Gemm, in float and in Q/DQ form, with its integers in plain numpy.

ONNX Runtime does not carry a DequantizeLinear past Flatten, so the pair comes again behind it, with the same scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx

from tests import tiny_graph

CLASSES = 4
IMAGE = (2, 3, 3)
_INPUT_SCALE, _INPUT_ZERO = np.float32(1 / 40), 128
_HIDDEN_SCALE, _HIDDEN_ZERO = np.float32(0.031), 0


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizedClassifier:
    """Weights of a 3x3 convolution over 3x3 images [5, 2, 3, 3] and of a Gemm [4, 5]."""

    kernel: np.ndarray
    kernel_scale: np.ndarray
    bias: np.ndarray
    matrix: np.ndarray
    matrix_scale: np.ndarray

    def quantized(
        self, *, batch: int | str = "batch", weights: type = np.int8, integer_gemm: bool = True
    ) -> onnx.ModelProto:
        """The Q/DQ file; `integer_gemm=False` leaves the Gemm's weights in float, which ONNX Runtime cannot fuse."""
        shift = 128 if weights is np.uint8 else 0
        matrix = (self.matrix * self.matrix_scale[:, None]).astype(np.float32)
        gemm = (
            [("DequantizeLinear", ["fc_q", "fc_scale", "fc_zero"], ["fc_weight"], {"axis": 0})] if integer_gemm else []
        )
        constants = {"fc_q": self.matrix, "fc_scale": self.matrix_scale, "fc_zero": np.zeros(CLASSES, np.int8)}
        return tiny_graph.model(
            nodes=[
                *_pair("image"),
                ("DequantizeLinear", ["conv_q", "conv_scale", "conv_zero"], ["conv_weight"], {"axis": 0}),
                ("DequantizeLinear", ["bias_q", "bias_scale"], ["conv_bias"], {"axis": 0}),
                ("Conv", ["image_dequantized", "conv_weight", "conv_bias"], ["conv"]),
                ("Relu", ["conv"], ["hidden"]),
                *_pair("hidden"),
                ("Flatten", ["hidden_dequantized"], ["flat"]),
                *gemm,
                *_pair("flat"),
                ("Gemm", ["flat_dequantized", "fc_weight"], ["logits"], {"transB": 1}),
            ],
            inputs={"image": (batch, *IMAGE)},
            outputs=["logits"],
            initializers={
                "image_scale": _INPUT_SCALE,
                "image_zero_point": np.uint8(_INPUT_ZERO),
                "hidden_scale": _HIDDEN_SCALE,
                "hidden_zero_point": np.uint8(_HIDDEN_ZERO),
                "flat_scale": _HIDDEN_SCALE,
                "flat_zero_point": np.uint8(_HIDDEN_ZERO),
                "conv_q": (self.kernel.astype(np.int32) + shift).astype(weights),
                "conv_scale": self.kernel_scale,
                "conv_zero": np.full(len(self.kernel), shift, weights),
                "bias_q": self.bias,
                "bias_scale": _INPUT_SCALE * self.kernel_scale,
                **(constants if integer_gemm else {"fc_weight": matrix}),
            },
        )

    def float_network(self) -> onnx.ModelProto:
        """The same function without rounding of activations."""
        return tiny_graph.model(
            nodes=[
                ("Conv", ["image", "conv_weight", "conv_bias"], ["conv"]),
                ("Relu", ["conv"], ["hidden"]),
                ("Flatten", ["hidden"], ["flat"]),
                ("Gemm", ["flat", "fc_weight"], ["logits"], {"transB": 1}),
            ],
            inputs={"image": ("batch", *IMAGE)},
            outputs=["logits"],
            initializers={
                "conv_weight": (self.kernel * self.kernel_scale[:, None, None, None]).astype(np.float32),
                "conv_bias": (self.bias * (_INPUT_SCALE * self.kernel_scale)).astype(np.float32),
                "fc_weight": (self.matrix * self.matrix_scale[:, None]).astype(np.float32),
            },
        )

    def integers(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """What ONNX Runtime's kernels compute: int32 accumulation, one float32 multiplication, round half to even."""
        image = np.clip(np.rint(images / _INPUT_SCALE) + _INPUT_ZERO, 0, 255).astype(np.uint8)
        centred = (image.astype(np.int32) - _INPUT_ZERO).reshape(len(images), -1)
        sums = centred @ self.kernel.astype(np.int32).reshape(len(self.kernel), -1).T + self.bias
        scale = (_INPUT_SCALE * self.kernel_scale) / _HIDDEN_SCALE
        hidden = np.clip(np.rint(sums.astype(np.float32) * scale), 0, 255).astype(np.uint8)
        outputs = hidden.astype(np.int32) @ self.matrix.astype(np.int32).T
        return {
            "image_quantized": image,
            "hidden_quantized": hidden.reshape(len(images), -1, 1, 1),
            "flat_quantized": hidden.copy(),
            "logits": outputs.astype(np.float32) * (_HIDDEN_SCALE * self.matrix_scale),
        }


def classifier(seed: int = 0) -> QuantizedClassifier:
    """Random weights, fixed by the seed."""
    random = np.random.default_rng(seed)
    return QuantizedClassifier(
        kernel=random.integers(-127, 128, (5, *IMAGE)).astype(np.int8),
        kernel_scale=random.uniform(0.002, 0.01, 5).astype(np.float32),
        bias=random.integers(-500, 500, 5).astype(np.int32),
        matrix=random.integers(-127, 128, (CLASSES, 5)).astype(np.int8),
        matrix_scale=random.uniform(0.002, 0.01, CLASSES).astype(np.float32),
    )


def images(count: int, seed: int = 1) -> np.ndarray:
    """Normal noise [count, 2, 3, 3]."""
    return np.random.default_rng(seed).normal(size=(count, *IMAGE)).astype(np.float32)


def _pair(tensor: str) -> list[tuple[str, list[str], list[str]]]:
    parameters = [f"{tensor}_scale", f"{tensor}_zero_point"]
    return [
        ("QuantizeLinear", [tensor, *parameters], [f"{tensor}_quantized"]),
        ("DequantizeLinear", [f"{tensor}_quantized", *parameters], [f"{tensor}_dequantized"]),
    ]
