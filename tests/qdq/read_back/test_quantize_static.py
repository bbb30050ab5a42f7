"""Files of ONNX Runtime's own quantizer."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from gdfq_export.errors import InputError
from gdfq_export.frontend.sources import load_model
from gdfq_export.qdq.read_back import read_back
from tests import tiny_graph
from tests.qdq.read_back.drafted import noise, require_exact
from tests.simulator.quantized import images_for
from tests.simulator.random_network import networks

UINT8 = {"activation_type": QuantType.QUInt8}


class Images(CalibrationDataReader):
    def __init__(self, name: str, images: np.ndarray) -> None:
        self._rest = iter([{name: image[None]} for image in images])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._rest, None)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


def quantized_static(
    proto: onnx.ModelProto, images: np.ndarray, *, prepare: bool = True, **options: Any
) -> onnx.ModelProto:
    with TemporaryDirectory() as folder:
        source, prepared, out = (Path(folder) / name for name in ("float.onnx", "prepared.onnx", "quantized.onnx"))
        onnx.save(proto, source)
        if prepare:
            quant_pre_process(source, prepared, skip_symbolic_shape=True)
        reader = Images(proto.graph.input[0].name, images)
        quantize_static(prepared if prepare else source, out, reader, **options)
        return onnx.load(out)


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(
    proto=networks(),
    prepare=st.booleans(),
    per_channel=st.booleans(),
    weights=st.sampled_from([QuantType.QInt8, QuantType.QUInt8]),
    symmetric=st.booleans(),
    form=st.sampled_from(QuantFormat),
)
def test_every_integer_of_a_random_network_is_that_of_the_runtime(
    proto: onnx.ModelProto, prepare: bool, per_channel: bool, weights: QuantType, symmetric: bool, form: QuantFormat
) -> None:
    assume(form is QuantFormat.QDQ or not per_channel or weights is QuantType.QInt8)  # no pair has such zero points
    assume(all(node.op_type != "ConvTranspose" for node in proto.graph.node))  # which that tool leaves in float
    file = quantized_static(
        proto,
        images_for(proto, 6),
        prepare=prepare,
        per_channel=per_channel,
        weight_type=weights,
        quant_format=form,
        extra_options={"ActivationSymmetric": symmetric},
        **UINT8,
    )
    try:
        require_exact(file, images_for(proto, 6, seed=1))
    except InputError as refused:
        assume("a runtime may carry them past the operators between" not in str(refused))  # as tested below
        raise


@pytest.mark.parametrize("behind", ["Flatten", "Reshape"])
def test_a_float_pool_between_codes_is_refused_only_where_the_runtime_may_carry_a_pair_to_it(behind: str) -> None:
    random = np.random.default_rng(0)
    model = tiny_graph.model(
        nodes=[
            ("Conv", ["x", "w"], ["c"]),
            ("Slice", ["c", "start", "end"], ["s"]),
            ("GlobalAveragePool", ["s"], ["p"]),
            (behind, ["p", "shape"] if behind == "Reshape" else ["p"], ["f"]),
            ("Gemm", ["f", "g"], ["y"]),
        ],
        inputs={"x": ("batch", 3, 6, 6)},
        outputs=["y"],
        initializers={
            "w": random.normal(size=(4, 3, 3, 3)).astype(np.float32),
            "g": random.normal(size=(4, 5)).astype(np.float32),
            **{name: np.array(values) for name, values in {"start": [0] * 4, "end": [9, 4, 3, 3]}.items()},
            "shape": np.array([-1, 4]),
        },
    )
    float_pool = {"quant_format": QuantFormat.QOperator, "op_types_to_quantize": ["Conv", "Gemm"]}
    file = quantized_static(model, images_for(model, 6), prepare=False, **float_pool, **UINT8)
    if behind == "Flatten":
        require_exact(file, images_for(model, 6, seed=1))
    else:
        with pytest.raises(InputError, match="may carry them past the operators between"):
            read_back(file)


@pytest.mark.parametrize(
    "options",
    [
        {"weight_type": QuantType.QUInt8},
        {"per_channel": True, "extra_options": {"ActivationSymmetric": True}},
        {"per_channel": True, "extra_options": {"DedicatedQDQPair": True}},
        {"per_channel": True, "extra_options": {"AddQDQPairToWeight": True}},
        {"per_channel": True, "quant_format": QuantFormat.QOperator},
    ],
    ids=["uint8 weights", "symmetric", "dedicated pairs", "float weights", "operators on codes"],
)
def test_options_of_the_quantizer_are_understood(options: dict[str, Any], evaluation_data: Path) -> None:
    model = load_model(evaluation_data / "models" / "cifar10_resnet20.onnx")
    file = quantized_static(model.original, noise(model, 4), **UINT8, **options)
    require_exact(file, noise(model, 16))


@pytest.mark.parametrize(
    "network",
    ["cifar10_resnet20", "cifar10_mobilenetv2", "cifar10_shufflenet", "imagenet_mobilenetv1_025_224"],
)
def test_every_integer_of_a_real_network_is_that_of_the_runtime(network: str, evaluation_data: Path) -> None:
    model = load_model(evaluation_data / "models" / f"{network}.onnx")
    file = quantized_static(model.original, noise(model, 4), per_channel=True, **UINT8)
    require_exact(file, noise(model, 8))


def test_codes_have_the_names_of_the_file(evaluation_data: Path) -> None:
    model = load_model(evaluation_data / "models" / "cifar10_resnet20.onnx")
    file = quantized_static(model.original, noise(model, 4), **UINT8)
    names = read_back(file).run(noise(model, 2)).keys()
    assert "image_QuantizeLinear_Output" in names
    assert names <= {name for node in file.graph.node for name in node.output}


def test_int8_activations_are_refused(evaluation_data: Path) -> None:
    model = load_model(evaluation_data / "models" / "cifar10_resnet20.onnx")
    file = quantized_static(model.original, noise(model, 4), activation_type=QuantType.QInt8)
    with pytest.raises(InputError, match=r"image_QuantizeLinear_Output is int8.*no exact simulation"):
        read_back(file)
