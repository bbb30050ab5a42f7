"""Equalization and analytic bias correction work on statistics that were measured, as they do on BatchNorm's."""

from __future__ import annotations

import numpy as np
import onnx
import torch

from calib.input_spec import InputSpec
from calib.priors.prior_sampler import prior_sampler
from gdfq_export.frontend.float_model import FloatModel, build
from gdfq_export.planning.placement import plan_of
from gdfq_export.recipe import Bits
from gdfq_export.simulator import Simulator
from gdfq_export.support.progress import SilentProgress
from gdfq_export.synthesis.stand_in_statistics import with_stand_ins
from gdfq_export.tuning.calibration import weight_scale
from gdfq_export.tuning.dfq.bias_correction import correct_biases
from gdfq_export.tuning.dfq.equalization import equalize
from tests import tiny_graph

SPEC = InputSpec(shape=(3, 10, 10), scale=255.0, mean=(0.5,) * 3, std=(0.25,) * 3)


def _folded() -> FloatModel:
    """Three convolutions without BatchNorm, whose channels have unlike ranges, and a classifier."""
    random = np.random.default_rng(0)
    spread = np.exp(random.normal(size=(8, 1, 1, 1)))
    arrays = {"w1": random.normal(size=(8, 3, 3, 3)) * spread, "w2": random.normal(size=(8, 8, 3, 3))}
    arrays |= {"w3": random.normal(size=(8, 8, 3, 3)), "w4": random.normal(size=(3, 8))}
    arrays |= {name: random.normal(size=8) for name in ("b1", "b2", "b3")} | {"b4": np.zeros(3)}
    nodes: list[tiny_graph.Node] = []
    for index, read in enumerate(("x", "r1", "r2"), start=1):
        nodes += [("Conv", [read, f"w{index}", f"b{index}"], [f"c{index}"]), ("Relu", [f"c{index}"], [f"r{index}"])]
    nodes += [("GlobalAveragePool", ["r3"], ["p"]), ("Flatten", ["p"], ["f"])]
    nodes.append(("Gemm", ["f", "w4", "b4"], ["y"], {"transB": 1}))
    proto: onnx.ModelProto = tiny_graph.model(
        nodes=nodes,
        inputs={"x": ("batch", *SPEC.shape)},
        outputs=["y"],
        initializers={name: array.astype(np.float32) for name, array in arrays.items()},
    )
    return build(proto, name="net", source="net", sha256="0", input_spec=SPEC)


def _simulator(model: FloatModel) -> Simulator:
    bits = Bits(weights=3, activations=8, first_last=3)
    return Simulator(model.folded, plan_of(model, "ort-cpu", bits), task=model.task)


def test_channels_are_equalized_by_what_was_measured() -> None:
    model = _folded()
    assert not equalize(_simulator(model), model.statistics, "activations")
    measured = with_stand_ins(model, SilentProgress())
    simulator = _simulator(measured)
    before = [layer.weight.detach().clone() for layer in simulator.layers()]
    scaled = equalize(simulator, measured.statistics, "activations")
    for name in ("c1", "c2"):
        reach = [known.mean + 6 * known.std for known in (measured.statistics[name], scaled[name])]
        assert np.ptp(np.log(reach[1])) < np.ptp(np.log(reach[0]))
    assert not torch.equal(before[1], simulator.layers()[1].weight)


def test_biases_are_corrected_by_what_was_measured() -> None:
    measured = with_stand_ins(_folded(), SilentProgress())
    simulator = _simulator(measured)
    layers = simulator.layers()
    for layer in layers:
        quantizer = simulator.quantizers[layer.weight_point.key]
        quantizer.set_scale(weight_scale(quantizer, layer.weight, search=False))
    weights = {layer.name: layer.weight.detach().clone() for layer in layers}
    images, _ = prior_sampler(SPEC, seed=5).draw(256, 64)
    conv = layers[1]
    assert conv.bias is not None
    x = torch.nn.functional.conv2d(images, layers[0].weight, layers[0].bias).relu()
    wanted = torch.nn.functional.conv2d(x, conv.weight, conv.bias).mean((0, 2, 3))
    rounded = simulator.quantizers[conv.weight_point.key]
    codes = (conv.weight / rounded.scale).round().clamp(rounded.code_min, rounded.code_max) * rounded.scale
    error = (torch.nn.functional.conv2d(x, codes, conv.bias).mean((0, 2, 3)) - wanted).abs().mean()
    correct_biases(simulator, weights, measured.statistics)
    left = (torch.nn.functional.conv2d(x, codes, conv.bias).mean((0, 2, 3)) - wanted).abs().mean()
    assert left < 0.3 * error
