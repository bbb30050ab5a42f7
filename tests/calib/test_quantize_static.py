"""A saved SyntheticSet feeds ONNX Runtime's own quantizer as it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnxruntime.quantization import CalibrationMethod, quantize_static

from calib.samplers import NoiseSampler
from calib.synthetic_set import SyntheticSet
from gdfq_export.frontend.demo.labelled import held_out_set
from gdfq_export.frontend.sources import load_model
from gdfq_export.runtimes.onnxruntime import OnnxRuntime


@pytest.mark.parametrize("batch", [1, 16])
@pytest.mark.parametrize("method", [CalibrationMethod.MinMax, CalibrationMethod.Percentile])
def test_quantize_static_takes_a_saved_set(method: CalibrationMethod, batch: int, tmp_path: Path) -> None:
    demo = load_model(None)
    source, saved, out = (tmp_path / name for name in ("demo.onnx", "calib.npz", "q.onnx"))
    onnx.save(demo.original, source)
    images, labels = NoiseSampler(demo.input_spec, demo.num_classes, 0).draw(64, 64)
    logits = OnnxRuntime().load(source, 1).run(images.numpy())
    SyntheticSet(
        images=images.numpy(), labels=labels.numpy(), logits=logits, input_name=demo.input_name, provenance={}
    ).save(saved)

    quantize_static(source, out, SyntheticSet.load(saved, batch=batch), calibrate_method=method)

    written = {node.op_type for node in onnx.load(out).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= written
    real = held_out_set().images.numpy()
    answers = [OnnxRuntime().load(path, 1).run(real).argmax(1) for path in (source, out)]
    assert float(np.mean(answers[0] == answers[1])) >= 0.9
