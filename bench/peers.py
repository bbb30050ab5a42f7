"""Files of other tools, made of the same network and the same images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import gdfq_export  # noqa: F401  # turns telemetry off, before onnxruntime is imported

# isort: split
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import Tensor, nn

from gdfq_export.runtimes.onnxruntime import OnnxRuntime

__all__ = ["nncf_file", "nncf_onnx_file", "reader", "static_default", "static_recommended"]


class _Images(CalibrationDataReader):
    """Images one by one, or batches `[B, N, C, H, W]` one by one."""

    def __init__(self, name: str, images: Tensor, *, batched: bool) -> None:
        self._rest = iter([{name: (image if batched else image[None]).numpy()} for image in images])

    def get_next(self):  # type: ignore[no-untyped-def]
        return next(self._rest, None)


def static_default(model: Path, images: Tensor, folder: Path) -> Path:
    """ONNX Runtime's `quantize_static` as it comes: int8 activations, weights per tensor."""
    out = folder / "default.onnx"
    quantize_static(model, out, reader(model, images))
    return out


def static_recommended(
    model: Path, images: Tensor, folder: Path, *, batched: bool = False, excluded: Sequence[str] = ()
) -> Path:
    """`quantize_static` as its documentation recommends for x86: pre-processed, per channel, uint8 and int8.

    `excluded` are nodes of `prepared.onnx` in the folder that stay float.
    """
    prepared, out = folder / "prepared.onnx", folder / "recommended.onnx"
    try:
        quant_pre_process(model, prepared)
    except Exception:  # its symbolic shape inference does not take every network, and can be left out
        quant_pre_process(model, prepared, skip_symbolic_shape=True)
    quantize_static(
        prepared,
        out,
        reader(prepared, images, batched=batched),
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=list(excluded),
    )
    return out


def reader(model: Path, images: Tensor, *, batched: bool = False) -> CalibrationDataReader:
    """The images for a tool that calibrates the network."""
    return _Images(OnnxRuntime().load(model, 1).input_name, images, batched=batched)


def nncf_file(network: nn.Module | torch.export.ExportedProgram, images: Tensor, folder: Path) -> Path:
    """NNCF's post-training quantization of what OpenVINO makes of a torch network."""
    import nncf
    import openvino

    example = images[:1] if isinstance(network, nn.Module) else None
    converted = openvino.convert_model(network, example_input=example)
    converted.reshape([-1, *images.shape[1:]])
    converted.inputs[0].get_tensor().set_names({"image"})
    converted.outputs[0].get_tensor().set_names({"logits"})
    dataset = nncf.Dataset([image[None].numpy() for image in images])
    quantized = nncf.quantize(converted, dataset, subset_size=len(images))
    out = folder / "nncf.xml"
    openvino.save_model(quantized, out, compress_to_fp16=False)
    return out


def nncf_onnx_file(model: Path, images: Tensor, folder: Path) -> Path:
    """NNCF's post-training quantization of an ONNX file, which it writes as ONNX."""
    import nncf
    import onnx

    name = OnnxRuntime().load(model, 1).input_name
    dataset = nncf.Dataset([{name: image[None].numpy()} for image in images])
    out = folder / "nncf.onnx"
    onnx.save(nncf.quantize(onnx.load(model), dataset, subset_size=len(images)), out)
    return out
